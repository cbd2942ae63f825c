-- LCG's store, version 1. Ids and hashes are their 32 raw bytes; times are milliseconds since the epoch, UTC.
-- "Never changes" means: written once with the row.

-- A hospital and where its admission stands. Rows are never deleted, so a number is never given again.
CREATE TABLE hospital (
  id          INTEGER PRIMARY KEY AUTOINCREMENT  -- number in every roster (NodeId), from 1; never changes
              CHECK (id BETWEEN 1 AND 65535),
  institution TEXT NOT NULL UNIQUE,              -- short name such as erasmus-mc; never changes
  name        TEXT NOT NULL,                     -- name for people; never changes
  purchasing  TEXT NOT NULL,                     -- purchasing group; never changes
  kind        TEXT NOT NULL,                     -- kind of hospital: general, umc, ...; never changes
  floor       INTEGER NOT NULL                   -- fewest hospitals behind a figure it helps release; never changes
              CHECK (floor BETWEEN 0 AND 65535),
  state       TEXT NOT NULL DEFAULT 'added'      -- mutable: added -> keyed (enrolled) -> confirmed (by telephone)
              CHECK (state IN ('added', 'keyed', 'confirmed')),
  key         BLOB UNIQUE                        -- mutable: Ed25519 key it enrolled with; null while added
              CHECK (length(key) = 32)
) STRICT;

-- One-use tokens; the secret itself is only in the hospital's file.
CREATE TABLE token (
  hash       BLOB PRIMARY KEY                    -- hash of the secret; never changes
             CHECK (length(hash) = 32),
  hospital   INTEGER NOT NULL                    -- whose; never changes
             REFERENCES hospital (id),
  expires_at INTEGER NOT NULL,                   -- ms; from then on it is refused; never changes
  used_by    BLOB CHECK (length(used_by) = 32),  -- key that took it; set once, by take_token
  used_at    INTEGER                             -- ms; set once with used_by
) STRICT;
CREATE INDEX token_of_hospital ON token (hospital);

-- The chain of rosters, and at most one proposal for the next.
CREATE TABLE roster (
  hash  BLOB PRIMARY KEY CHECK (length(hash) = 32), -- hash of the body; never changes
  epoch INTEGER NOT NULL,                        -- number in the chain, from 0; never changes
  body  BLOB NOT NULL,                           -- encoded RosterBody, as signed; never changes
  state TEXT NOT NULL                            -- mutable once: proposed -> signed
        CHECK (state IN ('proposed', 'signed'))
) STRICT;
CREATE UNIQUE INDEX roster_chain ON roster (epoch) WHERE state = 'signed';
CREATE UNIQUE INDEX roster_proposal ON roster (state) WHERE state = 'proposed';

-- Signatures of the signers of the roster before. Never change.
CREATE TABLE roster_signature (
  roster    BLOB NOT NULL                        -- which roster
            REFERENCES roster (hash) ON DELETE CASCADE,
  key       BLOB NOT NULL CHECK (length(key) = 32),       -- who signed
  signature BLOB NOT NULL CHECK (length(signature) = 64), -- Ed25519 over the body
  PRIMARY KEY (roster, key)
) STRICT;

-- Warrants as submitted. Never change.
CREATE TABLE warrant (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32), -- hash of the body
  body         BLOB NOT NULL,                    -- encoded WarrantBody, as approved
  query_id     TEXT NOT NULL,                    -- id of its query, for lists
  title        TEXT NOT NULL,                    -- Dutch title of its query, for lists
  submitted_at INTEGER NOT NULL                  -- ms
) STRICT;

-- Approvals of a warrant. Never change.
CREATE TABLE approval (
  warrant   BLOB NOT NULL REFERENCES warrant (hash),      -- which warrant
  key       BLOB NOT NULL CHECK (length(key) = 32),       -- approver
  signature BLOB NOT NULL CHECK (length(signature) = 64), -- Ed25519 over the body
  given_at  INTEGER NOT NULL,                    -- ms
  PRIMARY KEY (warrant, key)
) STRICT;

-- Runs of a warrant; one run again in its slot keeps its row.
CREATE TABLE session (
  session    BLOB PRIMARY KEY CHECK (length(session) = 32), -- SessionId; never changes
  warrant    BLOB NOT NULL REFERENCES warrant (hash),       -- what runs; never changes
  slot       INTEGER NOT NULL,                   -- slot of the lock; never changes
  started_at INTEGER NOT NULL,                   -- ms; mutable: the last start
  state      TEXT NOT NULL                       -- mutable: running -> done | failed -> running
             CHECK (state IN ('running', 'done', 'failed')),
  failure    TEXT                                -- mutable: Failure as JSON; null unless failed
) STRICT;

-- What the coordinator must not forget of an attempt, in order. Never changes.
CREATE TABLE record (
  sid  BLOB NOT NULL CHECK (length(sid) = 32),   -- AttemptId
  seq  INTEGER NOT NULL,                         -- order within the attempt, from 0
  body TEXT NOT NULL,                            -- protocol::io::Record as JSON
  PRIMARY KEY (sid, seq)
) STRICT;

-- Blocks of masked reports as they came in. Never change.
CREATE TABLE report_block (
  sid   BLOB NOT NULL CHECK (length(sid) = 32),  -- AttemptId
  node  INTEGER NOT NULL,                        -- whose report (NodeId)
  block INTEGER NOT NULL,                        -- number in the report, from 0
  bytes BLOB NOT NULL,                           -- at most 64 KiB, masked
  PRIMARY KEY (sid, node, block)
) STRICT;

-- The first certified survivors of a pass in a slot of a lock. Never change.
CREATE TABLE bound (
  lock TEXT NOT NULL,                            -- name of the lock in the roster
  slot INTEGER NOT NULL,                         -- slot of the lock
  pass TEXT NOT NULL,                            -- pass, as JSON
  body TEXT NOT NULL,                            -- protocol::message::Bound as JSON
  PRIMARY KEY (lock, slot, pass)
) STRICT;

-- Finished sessions. Never change.
CREATE TABLE result (
  session     BLOB PRIMARY KEY REFERENCES session (session), -- SessionId
  sid         BLOB NOT NULL CHECK (length(sid) = 32),        -- attempt that gave the sum
  bundle      TEXT NOT NULL,                     -- path of the bundle, below the data folder
  finished_at INTEGER NOT NULL                   -- ms
) STRICT;
