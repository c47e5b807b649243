-- What the guard has done and told, so that each is done and told once, in whatever order its runs come.
CREATE TABLE guard_notes (
  name TEXT PRIMARY KEY, -- such as `hero/1/told/winner/bold`
  at   TEXT NOT NULL     -- RFC 3339
) WITHOUT ROWID;
