-- The record over several databases: who lives where. With one database all of this stays empty. docs/record.md says how it
-- is used.

-- Names that belong together (a visitor, their user, sessions, orders) and the database that holds all of their rows. Of the
-- first database this is the directory; elsewhere it holds what this database was told, as a fence: a batch that knows less
-- of a name than the database does is refused.
CREATE TABLE homes (
  project TEXT NOT NULL,
  name    TEXT NOT NULL,    -- v, u, s or t, and the id of the visitor, user, session or order
  root    TEXT,             -- what those that belong together have in common; in the directory only
  home    INTEGER NOT NULL, -- the database's number
  version INTEGER NOT NULL, -- rises with every change of the home
  PRIMARY KEY (project, name)
) WITHOUT ROWID;
CREATE INDEX homes_by_root ON homes (root) WHERE root IS NOT NULL;

-- Names of which a database may still hold rows that belong elsewhere. In the first database only.
CREATE TABLE moves (
  project TEXT NOT NULL,
  name    TEXT NOT NULL,
  source  INTEGER NOT NULL,
  since   INTEGER NOT NULL, -- milliseconds since 1970
  PRIMARY KEY (project, name, source)
) WITHOUT ROWID;

-- Which of how many databases this is, and how far it has been looked through for rows that belong elsewhere.
CREATE TABLE placement (
  databases INTEGER NOT NULL,
  number    INTEGER NOT NULL,
  scan      TEXT -- null: it has been, or need not be
);
INSERT INTO placement VALUES (1, 0, NULL);
