-- How the origin answered each variant's group, an hour and an isolate (`source`) at a time. The counts of a row only rise:
-- the messages carry running totals, of which the largest is kept, so that none counts twice. The classes are of
-- milliseconds until the head of the answer, each request in the first that it fits.
--
-- The readout adds up one iteration of one experiment, which the primary key begins with.
CREATE TABLE origin_health (
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  iteration     INTEGER NOT NULL,
  variant       TEXT NOT NULL,
  hour          TEXT NOT NULL, -- in UTC: 2026-11-21T14
  source        TEXT NOT NULL,
  requests      INTEGER NOT NULL,
  errors        INTEGER NOT NULL, -- answers of 5xx, and failures to get one
  le_50         INTEGER NOT NULL,
  le_100        INTEGER NOT NULL,
  le_200        INTEGER NOT NULL,
  le_400        INTEGER NOT NULL,
  le_800        INTEGER NOT NULL,
  le_1600       INTEGER NOT NULL,
  le_3200       INTEGER NOT NULL,
  over_3200     INTEGER NOT NULL,
  PRIMARY KEY (project, experiment_id, iteration, variant, hour, source)
) WITHOUT ROWID;
