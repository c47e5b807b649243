-- The record of exposures. Each unit's first exposure to an iteration counts, so its id is the key; `exposure_variants`
-- keeps every variant that a unit ever met, since one that met two is contaminated and must be left out.
CREATE TABLE exposures (
  id              TEXT PRIMARY KEY,
  project         TEXT NOT NULL,
  experiment_id   TEXT NOT NULL,
  iteration       INTEGER NOT NULL,
  variant         TEXT NOT NULL,
  unit            TEXT NOT NULL,
  unit_id         TEXT NOT NULL,
  anonymous_id    TEXT,
  user_id         TEXT,
  reason          TEXT NOT NULL,
  exposed_at      TEXT NOT NULL,
  config_revision TEXT NOT NULL,
  country         TEXT,
  device          TEXT,
  browser         TEXT,
  visitor_type    TEXT
) WITHOUT ROWID;

-- The readout asks for one iteration of one experiment at a time, by day and variant.
CREATE INDEX exposures_by_experiment ON exposures (project, experiment_id, iteration, exposed_at);

CREATE TABLE exposure_variants (
  exposure_id TEXT NOT NULL,
  variant     TEXT NOT NULL,
  first_at    TEXT NOT NULL,
  PRIMARY KEY (exposure_id, variant)
) WITHOUT ROWID;

-- What each isolate sent, one row a message: numbers that are missing between 0 and the highest never arrived.
CREATE TABLE messages (
  source TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (source, seq)
) WITHOUT ROWID;
