-- LCG's store, version 2: attempts, so that a restart goes on with one and a later session voids a lost one.

-- Attempts of sessions.
CREATE TABLE attempt (
  sid       BLOB PRIMARY KEY                     -- AttemptId; never changes
            CHECK (length(sid) = 32),
  session   BLOB NOT NULL                        -- of which session; never changes
            REFERENCES session (session),
  lock      TEXT NOT NULL,                       -- name of the lock in the roster; never changes
  slot      INTEGER NOT NULL,                    -- slot of the lock; never changes
  roster    BLOB NOT NULL                        -- hash of the roster it runs under; never changes
            CHECK (length(roster) = 32),
  opened_at INTEGER NOT NULL,                    -- ms; never changes
  state     TEXT NOT NULL DEFAULT 'open'         -- mutable: open -> gone (GO was sent) -> certified | void
            CHECK (state IN ('open', 'gone', 'certified', 'void'))
) STRICT;
CREATE INDEX attempt_of_lock ON attempt (lock, slot);
CREATE INDEX attempt_of_session ON attempt (session);
