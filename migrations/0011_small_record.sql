-- The record of exposures, small: three written rows and less than 200 bytes each. What repeats has a number, ids are
-- sixteen bytes, a second variant is kept only where there is one. docs/record.md says why each table is as it is.
--
-- What was recorded until now lies in `exposures_before` and `exposure_variants_before`; the worker's schedule takes it
-- along, some thousand rows at a time, and they are empty when it is done.

DROP TRIGGER exposure_counted;
DROP TRIGGER exposure_moved;
DROP TRIGGER exposure_deleted;
DROP TRIGGER second_exposure;
DROP TRIGGER second_variant;
DROP TABLE exposure_counts;
DROP TABLE contaminated;
DROP INDEX exposures_by_experiment;
DROP INDEX exposures_by_visitor;
DROP INDEX exposures_by_user;
DROP INDEX exposures_of_others;
ALTER TABLE exposures RENAME TO exposures_before;
ALTER TABLE exposure_variants RENAME TO exposure_variants_before;

CREATE TABLE iterations (
  number        INTEGER PRIMARY KEY,
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  iteration     INTEGER NOT NULL,
  expired       INTEGER NOT NULL DEFAULT 0, -- 1: its exposures are being deleted, their counts stay
  UNIQUE (project, experiment_id, iteration)
);
CREATE TABLE variants (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE revisions (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);

-- The parts of the audience; '' where unknown.
CREATE TABLE segments (
  number        INTEGER PRIMARY KEY,
  device        TEXT NOT NULL,
  country       TEXT NOT NULL,
  region        TEXT NOT NULL,
  browser       TEXT NOT NULL,
  referrer_host TEXT NOT NULL,
  visitor_type  TEXT NOT NULL,
  logged_in     TEXT NOT NULL, -- 'true', 'false'
  fallback      TEXT NOT NULL, -- 'true' where the variant's origin failed and the control was shown
  versions      TEXT NOT NULL, -- JSON
  UNIQUE (referrer_host, region, browser, country, device, visitor_type, logged_in, fallback, versions)
);

-- Each unit's first exposure to an iteration. Ids are blobs where they are UUIDs (of an event: 32 digits), else texts.
CREATE TABLE exposed (
  iteration_no INTEGER NOT NULL,
  kind         INTEGER NOT NULL, -- of unit: 0 visitor, 1 user, 2 session
  unit         NOT NULL,
  id           NOT NULL,         -- of the event
  at           INTEGER NOT NULL, -- milliseconds since 1970
  variant_no   INTEGER NOT NULL,
  segment_no   INTEGER NOT NULL,
  revision_no  INTEGER NOT NULL,
  reason       INTEGER NOT NULL, -- 0 split, 1 sticky, 2 reported, 3 another
  visitor,                       -- null where the unit is the visitor
  user_id,                       -- null where the unit is the user
  PRIMARY KEY (iteration_no, kind, unit, id)
) WITHOUT ROWID;

-- From a time on: units whose window is not over, and pages of a download.
CREATE INDEX exposed_by_time ON exposed (iteration_no, at);
-- Of users and sessions, from their visitor; few are, and they have no row in the counts.
CREATE INDEX exposed_of_others ON exposed (iteration_no, coalesce(visitor, user_id)) WHERE kind > 0;

-- The other variants that a unit met, and when first: such a unit is contaminated.
CREATE TABLE second_variants (
  iteration_no INTEGER NOT NULL,
  kind         INTEGER NOT NULL,
  unit         NOT NULL,
  id           NOT NULL,
  variant_no   INTEGER NOT NULL,
  first_at     INTEGER NOT NULL,
  PRIMARY KEY (iteration_no, kind, unit, id, variant_no)
) WITHOUT ROWID;

-- Visitors with two exposures of an iteration, which no producer of ours sends: they are looked at one by one.
CREATE TABLE doubled (
  iteration_no INTEGER NOT NULL,
  unit         NOT NULL,
  PRIMARY KEY (iteration_no, unit)
) WITHOUT ROWID;

-- Exposures of visitors, counted; those of users and sessions are not in here.
CREATE TABLE exposed_counts (
  iteration_no INTEGER NOT NULL,
  day          INTEGER NOT NULL, -- since 1970, UTC
  variant_no   INTEGER NOT NULL,
  segment_no   INTEGER NOT NULL,
  units        INTEGER NOT NULL,
  PRIMARY KEY (iteration_no, day, variant_no, segment_no)
) WITHOUT ROWID;

CREATE TRIGGER exposed_counted AFTER INSERT ON exposed WHEN NEW.kind = 0 BEGIN
  INSERT INTO exposed_counts VALUES (NEW.iteration_no, NEW.at / 86400000, NEW.variant_no, NEW.segment_no, 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- An earlier exposure of the same unit takes the place of a later one.
CREATE TRIGGER exposed_moved AFTER UPDATE ON exposed
WHEN NEW.kind = 0 AND (NEW.at / 86400000, NEW.variant_no, NEW.segment_no) <> (OLD.at / 86400000, OLD.variant_no, OLD.segment_no) BEGIN
  UPDATE exposed_counts SET units = units - 1
  WHERE iteration_no = OLD.iteration_no AND day = OLD.at / 86400000 AND variant_no = OLD.variant_no AND segment_no = OLD.segment_no;
  INSERT INTO exposed_counts VALUES (NEW.iteration_no, NEW.at / 86400000, NEW.variant_no, NEW.segment_no, 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- What a later variant was replaced by is the first; the later one stays known.
CREATE TRIGGER exposed_again AFTER UPDATE ON exposed WHEN NEW.variant_no <> OLD.variant_no BEGIN
  INSERT INTO second_variants VALUES (OLD.iteration_no, OLD.kind, OLD.unit, OLD.id, OLD.variant_no, OLD.at)
  ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at);
END;

CREATE TRIGGER exposed_twice AFTER INSERT ON exposed
WHEN NEW.kind = 0 AND EXISTS (SELECT 1 FROM exposed
  WHERE iteration_no = NEW.iteration_no AND kind = 0 AND unit = NEW.unit AND id <> NEW.id) BEGIN
  INSERT INTO doubled VALUES (NEW.iteration_no, NEW.unit) ON CONFLICT DO NOTHING;
END;

-- A person's data is deleted on request. What has expired stays counted.
CREATE TRIGGER exposed_deleted AFTER DELETE ON exposed BEGIN
  UPDATE exposed_counts SET units = units - 1
  WHERE OLD.kind = 0 AND iteration_no = OLD.iteration_no AND day = OLD.at / 86400000 AND variant_no = OLD.variant_no
    AND segment_no = OLD.segment_no AND NOT EXISTS (SELECT 1 FROM iterations WHERE number = OLD.iteration_no AND expired = 1);
  DELETE FROM second_variants
  WHERE iteration_no = OLD.iteration_no AND kind = OLD.kind AND unit = OLD.unit AND id = OLD.id;
  DELETE FROM doubled WHERE OLD.kind = 0 AND iteration_no = OLD.iteration_no AND unit = OLD.unit
    AND NOT EXISTS (SELECT 1 FROM exposed WHERE iteration_no = OLD.iteration_no AND kind = 0 AND unit = OLD.unit);
END;

-- The exposures as they can be read.
CREATE VIEW exposures AS
SELECT CASE typeof(e.id) WHEN 'blob' THEN lower(hex(e.id)) ELSE e.id END AS id, i.project, i.experiment_id, i.iteration, v.id AS variant,
  CASE e.kind WHEN 0 THEN 'visitor' WHEN 1 THEN 'user' ELSE 'session' END AS unit,
  CASE typeof(e.unit) WHEN 'blob' THEN lower(substr(hex(e.unit), 1, 8) || '-' || substr(hex(e.unit), 9, 4) || '-'
    || substr(hex(e.unit), 13, 4) || '-' || substr(hex(e.unit), 17, 4) || '-' || substr(hex(e.unit), 21)) ELSE e.unit END AS unit_id,
  CASE typeof(iif(e.kind = 0, e.unit, e.visitor)) WHEN 'blob' THEN lower(substr(hex(iif(e.kind = 0, e.unit, e.visitor)), 1, 8) || '-'
    || substr(hex(iif(e.kind = 0, e.unit, e.visitor)), 9, 4) || '-' || substr(hex(iif(e.kind = 0, e.unit, e.visitor)), 13, 4) || '-'
    || substr(hex(iif(e.kind = 0, e.unit, e.visitor)), 17, 4) || '-' || substr(hex(iif(e.kind = 0, e.unit, e.visitor)), 21))
    ELSE iif(e.kind = 0, e.unit, e.visitor) END AS anonymous_id,
  CASE typeof(iif(e.kind = 1, e.unit, e.user_id)) WHEN 'blob' THEN lower(substr(hex(iif(e.kind = 1, e.unit, e.user_id)), 1, 8) || '-'
    || substr(hex(iif(e.kind = 1, e.unit, e.user_id)), 9, 4) || '-' || substr(hex(iif(e.kind = 1, e.unit, e.user_id)), 13, 4) || '-'
    || substr(hex(iif(e.kind = 1, e.unit, e.user_id)), 17, 4) || '-' || substr(hex(iif(e.kind = 1, e.unit, e.user_id)), 21))
    ELSE iif(e.kind = 1, e.unit, e.user_id) END AS user_id,
  CASE e.reason WHEN 0 THEN 'split' WHEN 1 THEN 'sticky' WHEN 2 THEN 'reported' ELSE '' END AS reason,
  strftime('%Y-%m-%dT%H:%M:%S', e.at / 1000, 'unixepoch') || printf('.%03dZ', e.at % 1000) AS exposed_at, r.id AS config_revision,
  nullif(s.country, '') AS country, nullif(s.device, '') AS device, nullif(s.browser, '') AS browser,
  nullif(s.visitor_type, '') AS visitor_type, nullif(s.region, '') AS region, nullif(s.referrer_host, '') AS referrer_host,
  nullif(s.logged_in, '') AS logged_in, nullif(s.fallback, '') AS fallback, nullif(s.versions, '{}') AS versions,
  e.iteration_no, e.at
FROM iterations i JOIN exposed e ON e.iteration_no = i.number JOIN variants v ON v.number = e.variant_no
JOIN revisions r ON r.number = e.revision_no JOIN segments s ON s.number = e.segment_no;

-- Every variant that a unit met.
CREATE VIEW exposure_variants AS
SELECT id AS exposure_id, variant, exposed_at AS first_at FROM exposures
UNION ALL
SELECT CASE typeof(w.id) WHEN 'blob' THEN lower(hex(w.id)) ELSE w.id END, v.id,
  strftime('%Y-%m-%dT%H:%M:%S', w.first_at / 1000, 'unixepoch') || printf('.%03dZ', w.first_at % 1000)
FROM second_variants w JOIN variants v ON v.number = w.variant_no
JOIN exposed e ON e.iteration_no = w.iteration_no AND e.kind = w.kind AND e.unit = w.unit AND e.id = w.id
WHERE w.variant_no <> e.variant_no;
