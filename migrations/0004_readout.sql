-- What the readout needs to be fast for a million exposures: it counts most units from a rollup, and looks one by one
-- only at those that need thought (of a known user, of another unit than the visitor, contaminated).
CREATE TABLE exposure_days (
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  iteration     INTEGER NOT NULL,
  day           TEXT NOT NULL, -- of the first exposure, UTC
  variant       TEXT NOT NULL,
  device        TEXT NOT NULL, -- here and below '' where unknown
  country       TEXT NOT NULL,
  visitor_type  TEXT NOT NULL,
  units         INTEGER NOT NULL, -- exposures of visitors; those of users and sessions are not in here
  PRIMARY KEY (project, experiment_id, iteration, day, variant, device, country, visitor_type)
) WITHOUT ROWID;

-- Exposures whose unit met more than one variant.
CREATE TABLE contaminated (
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  iteration     INTEGER NOT NULL,
  exposure_id   TEXT NOT NULL,
  PRIMARY KEY (project, experiment_id, iteration, exposure_id)
) WITHOUT ROWID;

INSERT INTO exposure_days
  SELECT project, experiment_id, iteration, substr(exposed_at, 1, 10), variant, coalesce(device, ''), coalesce(country, ''),
         coalesce(visitor_type, ''), count(*)
  FROM exposures WHERE unit = 'visitor' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

INSERT INTO contaminated
  SELECT e.project, e.experiment_id, e.iteration, e.id
  FROM (SELECT exposure_id FROM exposure_variants GROUP BY exposure_id HAVING count(*) > 1) v
  JOIN exposures e ON e.id = v.exposure_id;

CREATE TRIGGER exposure_counted AFTER INSERT ON exposures WHEN NEW.unit = 'visitor' BEGIN
  INSERT INTO exposure_days VALUES (NEW.project, NEW.experiment_id, NEW.iteration, substr(NEW.exposed_at, 1, 10), NEW.variant,
    coalesce(NEW.device, ''), coalesce(NEW.country, ''), coalesce(NEW.visitor_type, ''), 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- An earlier exposure of the same unit takes the place of a later one.
CREATE TRIGGER exposure_moved AFTER UPDATE ON exposures WHEN NEW.unit = 'visitor' BEGIN
  UPDATE exposure_days SET units = units - 1
  WHERE project = OLD.project AND experiment_id = OLD.experiment_id AND iteration = OLD.iteration
    AND day = substr(OLD.exposed_at, 1, 10) AND variant = OLD.variant AND device = coalesce(OLD.device, '')
    AND country = coalesce(OLD.country, '') AND visitor_type = coalesce(OLD.visitor_type, '');
  INSERT INTO exposure_days VALUES (NEW.project, NEW.experiment_id, NEW.iteration, substr(NEW.exposed_at, 1, 10), NEW.variant,
    coalesce(NEW.device, ''), coalesce(NEW.country, ''), coalesce(NEW.visitor_type, ''), 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- A person's data is deleted on request.
CREATE TRIGGER exposure_deleted AFTER DELETE ON exposures BEGIN
  UPDATE exposure_days SET units = units - 1
  WHERE OLD.unit = 'visitor' AND project = OLD.project AND experiment_id = OLD.experiment_id AND iteration = OLD.iteration
    AND day = substr(OLD.exposed_at, 1, 10) AND variant = OLD.variant AND device = coalesce(OLD.device, '')
    AND country = coalesce(OLD.country, '') AND visitor_type = coalesce(OLD.visitor_type, '');
  DELETE FROM contaminated WHERE project = OLD.project AND experiment_id = OLD.experiment_id
    AND iteration = OLD.iteration AND exposure_id = OLD.id;
END;

CREATE TRIGGER second_variant AFTER INSERT ON exposure_variants
WHEN EXISTS (SELECT 1 FROM exposure_variants WHERE exposure_id = NEW.exposure_id AND variant <> NEW.variant) BEGIN
  INSERT OR IGNORE INTO contaminated
    SELECT project, experiment_id, iteration, id FROM exposures WHERE id = NEW.exposure_id;
END;

-- From outcomes and identities to the exposures of their visitor.
CREATE INDEX exposures_by_visitor ON exposures (project, experiment_id, iteration, anonymous_id);
-- The exposures that are not in the rollup.
CREATE INDEX exposures_of_others ON exposures (project, experiment_id, iteration) WHERE unit <> 'visitor';
-- From units to their outcomes, for the rows that people download.
CREATE INDEX conversions_by_visitor ON conversions (project, anonymous_id);
CREATE INDEX conversions_by_user ON conversions (project, user_id) WHERE user_id IS NOT NULL;

-- Answers that took long, for a few minutes.
CREATE TABLE readouts (
  question TEXT PRIMARY KEY,
  answer   TEXT NOT NULL,
  asked_at INTEGER NOT NULL -- milliseconds since 1970
) WITHOUT ROWID;
