-- State of one hospital's agent. Times are milliseconds since 1970-01-01T00:00:00Z by this machine's clock.

-- What this agent has promised, spent and released; written before the message that depends on it leaves.
CREATE TABLE record (
    seq      INTEGER PRIMARY KEY CHECK (seq > 0), -- 1, 2, 3 ... without gaps: ledger_seq of the protocol
    at_ms    INTEGER NOT NULL,                    -- when it was written
    body     TEXT NOT NULL,                       -- the record as JSON
    previous BLOB NOT NULL CHECK (length(previous) = 32), -- hash of the record before; zeros for the first
    hash     BLOB NOT NULL CHECK (length(hash) = 32)      -- over previous, seq, at_ms, body
) STRICT;
CREATE TRIGGER record_is_not_changed BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER record_is_not_deleted BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;

-- What the enrolment token pinned; one row.
CREATE TABLE enrolment (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    coordinator     TEXT NOT NULL,    -- HOST:PORT
    coordinator_key BLOB NOT NULL CHECK (length(coordinator_key) = 32), -- Ed25519
    founding_roster BLOB NOT NULL CHECK (length(founding_roster) = 32), -- hash of the first roster
    hospital        INTEGER NOT NULL, -- this hospital's number in all rosters
    institution     TEXT NOT NULL     -- its short name
) STRICT;

-- The chain of rosters as received and verified; a roster once stored is never replaced.
CREATE TABLE roster (
    epoch      INTEGER PRIMARY KEY, -- from 0, without gaps
    body       BLOB NOT NULL,       -- what was signed
    signatures TEXT NOT NULL,       -- JSON list of key and signature
    accepted   INTEGER NOT NULL CHECK (accepted IN (0, 1)) -- 0: held until the operator confirms it
) STRICT;
CREATE TRIGGER roster_is_not_changed BEFORE UPDATE OF epoch, body, signatures ON roster
    BEGIN SELECT RAISE(ABORT, 'a roster is never changed'); END;
CREATE TRIGGER roster_acceptance_stays BEFORE UPDATE OF accepted ON roster WHEN NEW.accepted < OLD.accepted
    BEGIN SELECT RAISE(ABORT, 'an accepted roster stays accepted'); END;
CREATE TRIGGER roster_is_not_deleted BEFORE DELETE ON roster
    BEGIN SELECT RAISE(ABORT, 'a roster is never deleted'); END;
