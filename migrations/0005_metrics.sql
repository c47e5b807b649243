-- What the metrics of the second edition ask for: more parts of the audience, sessions of outcomes, and people who are
-- known from any event that names both of their ids.

ALTER TABLE exposures ADD COLUMN region TEXT;
ALTER TABLE exposures ADD COLUMN referrer_host TEXT;
ALTER TABLE exposures ADD COLUMN logged_in TEXT; -- 'true', 'false', or null: not known
ALTER TABLE exposures ADD COLUMN fallback TEXT;  -- 'true' where the variant's origin failed and the control was shown
ALTER TABLE exposures ADD COLUMN versions TEXT;  -- JSON: versions of what else had a say, by name
ALTER TABLE conversions ADD COLUMN session_id TEXT;

-- The rollup, by every part of the audience.
CREATE TABLE exposure_counts (
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  iteration     INTEGER NOT NULL,
  day           TEXT NOT NULL, -- of the first exposure, UTC
  variant       TEXT NOT NULL,
  device        TEXT NOT NULL, -- here and below '' where unknown
  country       TEXT NOT NULL,
  region        TEXT NOT NULL,
  browser       TEXT NOT NULL,
  referrer_host TEXT NOT NULL,
  visitor_type  TEXT NOT NULL,
  logged_in     TEXT NOT NULL,
  fallback      TEXT NOT NULL,
  versions      TEXT NOT NULL,
  units         INTEGER NOT NULL, -- exposures of visitors; those of users and sessions are not in here
  PRIMARY KEY (project, experiment_id, iteration, day, variant, device, country, region, browser, referrer_host, visitor_type,
    logged_in, fallback, versions)
) WITHOUT ROWID;

INSERT INTO exposure_counts
  SELECT project, experiment_id, iteration, substr(exposed_at, 1, 10), variant, coalesce(device, ''), coalesce(country, ''), '',
         coalesce(browser, ''), '', coalesce(visitor_type, ''), '', '', '{}', count(*)
  FROM exposures WHERE unit = 'visitor' GROUP BY 1, 2, 3, 4, 5, 6, 7, 9, 11;

DROP TRIGGER exposure_counted;
DROP TRIGGER exposure_moved;
DROP TRIGGER exposure_deleted;
DROP TABLE exposure_days;

CREATE TRIGGER exposure_counted AFTER INSERT ON exposures WHEN NEW.unit = 'visitor' BEGIN
  INSERT INTO exposure_counts VALUES (NEW.project, NEW.experiment_id, NEW.iteration, substr(NEW.exposed_at, 1, 10), NEW.variant,
    coalesce(NEW.device, ''), coalesce(NEW.country, ''), coalesce(NEW.region, ''), coalesce(NEW.browser, ''),
    coalesce(NEW.referrer_host, ''), coalesce(NEW.visitor_type, ''), coalesce(NEW.logged_in, ''), coalesce(NEW.fallback, ''),
    coalesce(NEW.versions, '{}'), 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- An earlier exposure of the same unit takes the place of a later one.
CREATE TRIGGER exposure_moved AFTER UPDATE ON exposures WHEN NEW.unit = 'visitor' BEGIN
  UPDATE exposure_counts SET units = units - 1
  WHERE project = OLD.project AND experiment_id = OLD.experiment_id AND iteration = OLD.iteration
    AND day = substr(OLD.exposed_at, 1, 10) AND variant = OLD.variant AND device = coalesce(OLD.device, '')
    AND country = coalesce(OLD.country, '') AND region = coalesce(OLD.region, '') AND browser = coalesce(OLD.browser, '')
    AND referrer_host = coalesce(OLD.referrer_host, '') AND visitor_type = coalesce(OLD.visitor_type, '')
    AND logged_in = coalesce(OLD.logged_in, '') AND fallback = coalesce(OLD.fallback, '')
    AND versions = coalesce(OLD.versions, '{}');
  INSERT INTO exposure_counts VALUES (NEW.project, NEW.experiment_id, NEW.iteration, substr(NEW.exposed_at, 1, 10), NEW.variant,
    coalesce(NEW.device, ''), coalesce(NEW.country, ''), coalesce(NEW.region, ''), coalesce(NEW.browser, ''),
    coalesce(NEW.referrer_host, ''), coalesce(NEW.visitor_type, ''), coalesce(NEW.logged_in, ''), coalesce(NEW.fallback, ''),
    coalesce(NEW.versions, '{}'), 1)
  ON CONFLICT DO UPDATE SET units = units + 1;
END;

-- A person's data is deleted on request.
CREATE TRIGGER exposure_deleted AFTER DELETE ON exposures BEGIN
  UPDATE exposure_counts SET units = units - 1
  WHERE OLD.unit = 'visitor' AND project = OLD.project AND experiment_id = OLD.experiment_id AND iteration = OLD.iteration
    AND day = substr(OLD.exposed_at, 1, 10) AND variant = OLD.variant AND device = coalesce(OLD.device, '')
    AND country = coalesce(OLD.country, '') AND region = coalesce(OLD.region, '') AND browser = coalesce(OLD.browser, '')
    AND referrer_host = coalesce(OLD.referrer_host, '') AND visitor_type = coalesce(OLD.visitor_type, '')
    AND logged_in = coalesce(OLD.logged_in, '') AND fallback = coalesce(OLD.fallback, '')
    AND versions = coalesce(OLD.versions, '{}');
  DELETE FROM contaminated WHERE project = OLD.project AND experiment_id = OLD.experiment_id
    AND iteration = OLD.iteration AND exposure_id = OLD.id;
END;

-- A visitor and a user are one person from the first event that names both.
INSERT INTO identities
  SELECT project, anonymous_id, user_id, min(at) FROM (
    SELECT project, anonymous_id, user_id, exposed_at AS at FROM exposures
    UNION ALL SELECT project, anonymous_id, user_id, converted_at FROM conversions)
  WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL GROUP BY 1, 2, 3
  ON CONFLICT DO UPDATE SET identified_at = min(identified_at, excluded.identified_at);

-- A visitor with two exposures of an iteration, which no producer of ours sends, is looked at one by one, too.
CREATE TRIGGER second_exposure AFTER INSERT ON exposures
WHEN NEW.unit = 'visitor' AND EXISTS (SELECT 1 FROM exposures WHERE project = NEW.project AND experiment_id = NEW.experiment_id
  AND iteration = NEW.iteration AND anonymous_id = NEW.anonymous_id AND id <> NEW.id) BEGIN
  INSERT OR IGNORE INTO contaminated
    SELECT project, experiment_id, iteration, id FROM exposures WHERE project = NEW.project
      AND experiment_id = NEW.experiment_id AND iteration = NEW.iteration AND anonymous_id = NEW.anonymous_id;
END;

INSERT OR IGNORE INTO contaminated
  SELECT e.project, e.experiment_id, e.iteration, e.id FROM (
    SELECT project, experiment_id, iteration, anonymous_id FROM exposures WHERE unit = 'visitor' GROUP BY 1, 2, 3, 4 HAVING count(*) > 1) v
  JOIN exposures e USING (project, experiment_id, iteration, anonymous_id);

-- Exposures of a user, to forget one.
CREATE INDEX exposures_by_user ON exposures (user_id) WHERE user_id IS NOT NULL;
-- From refunds to what they take off.
CREATE INDEX conversions_that_refund ON conversions (project, refund_of) WHERE refund_of IS NOT NULL;
-- The last of a session's events.
CREATE INDEX conversions_by_session ON conversions (project, session_id) WHERE session_id IS NOT NULL;

-- Which messages of each isolate arrived, as ranges of their numbers: one row an isolate, not one a message.
CREATE TABLE arrivals (
  source   TEXT PRIMARY KEY,
  ranges   TEXT NOT NULL,    -- JSON: [[first, last], ...], both included, in order, with a gap between each two
  highest  INTEGER NOT NULL, -- the last number of the last range; numbers count from 0
  arrived  INTEGER NOT NULL, -- how many numbers the ranges hold
  heard_on TEXT NOT NULL     -- the day of the last one, UTC
) WITHOUT ROWID;

INSERT INTO arrivals
  SELECT source, json_group_array(json_array(first, last)), max(last), sum(last - first + 1), strftime('%Y-%m-%d', 'now') FROM (
    SELECT source, min(seq) AS first, max(seq) AS last FROM (
      SELECT source, seq, seq - row_number() OVER (PARTITION BY source ORDER BY seq) AS island FROM messages)
    GROUP BY source, island ORDER BY source, first)
  GROUP BY source;

DROP VIEW sources;
DROP TABLE messages;

-- What each isolate sent and what of it arrived. Messages that an isolate sent after the last one that arrived are not
-- seen, so `lost` is a lower bound.
CREATE VIEW sources AS SELECT source, highest, arrived, highest + 1 - arrived AS lost FROM arrivals;

-- Rows of health and of what was served are kept for ninety days.
ALTER TABLE served ADD COLUMN heard_on TEXT;
CREATE INDEX origin_health_by_hour ON origin_health (hour);
