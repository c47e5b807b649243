-- Outcomes. The id is the key, so the same one delivered twice is one row; of several reports of one outcome that of the
-- lowest `precedence` stays (a server's before a page's, then the earliest), in whatever order they arrive.
CREATE TABLE conversions (
  id               TEXT PRIMARY KEY,
  project          TEXT NOT NULL,
  conversion_event TEXT NOT NULL,
  value_minor      INTEGER, -- in the currency's smallest unit, hundredths where there is no currency; < 0: a refund
  currency         TEXT,
  transaction_id   TEXT,
  refund_of        TEXT,    -- the transaction_id of the order whose money went back
  anonymous_id     TEXT,
  user_id          TEXT,
  experiment_id    TEXT,
  variant          TEXT,
  converted_at     TEXT NOT NULL,
  channel          TEXT NOT NULL,
  config_revision  TEXT NOT NULL,
  properties       TEXT NOT NULL,
  precedence       TEXT NOT NULL
) WITHOUT ROWID;

-- The readout goes from the conversions of one event to their people, and from refunds to their orders.
CREATE INDEX conversions_by_event ON conversions (project, conversion_event, converted_at);
CREATE INDEX conversions_by_transaction ON conversions (project, transaction_id) WHERE transaction_id IS NOT NULL;

-- From `identified_at` on a visitor and a user are one person. A visitor may have been several users: a shared device.
CREATE TABLE identities (
  project       TEXT NOT NULL,
  anonymous_id  TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  identified_at TEXT NOT NULL,
  PRIMARY KEY (project, anonymous_id, user_id)
) WITHOUT ROWID;

CREATE INDEX identities_by_user ON identities (project, user_id);

-- Experiments, or variants of them, that were stopped before their time.
CREATE TABLE endings (
  id            TEXT PRIMARY KEY,
  project       TEXT NOT NULL,
  experiment_id TEXT NOT NULL,
  variant       TEXT,
  ended_reason  TEXT NOT NULL,
  ended_at      TEXT NOT NULL
) WITHOUT ROWID;

-- What each isolate served until its last message that arrived.
CREATE TABLE served (
  source   TEXT PRIMARY KEY,
  crawlers INTEGER NOT NULL,
  visits   INTEGER NOT NULL
) WITHOUT ROWID;

-- What each isolate sent and what of it arrived. Messages that an isolate sent after the last one that arrived are not
-- seen, so `lost` is a lower bound.
CREATE VIEW sources AS
  SELECT source, max(seq) AS highest, count(*) AS arrived, max(seq) + 1 - count(*) AS lost FROM messages GROUP BY source;
