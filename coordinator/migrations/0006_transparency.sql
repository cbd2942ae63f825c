-- LCG's store, version 6: the transparency log, whose heads every hospital keeps.

-- What this coordinator did, in order; the leaves of the tree. Only added to; what it tells of is seen after it is synced.
CREATE TABLE log_entry (
  number INTEGER PRIMARY KEY                     -- place in the log, from 0, without gaps
         CHECK (number >= 0),
  body   BLOB NOT NULL UNIQUE                    -- the encoded entry (protocol, wire.md section 11); one is there once
) STRICT;
CREATE TRIGGER log_entry_is_not_changed BEFORE UPDATE ON log_entry BEGIN
SELECT RAISE(ABORT, 'an entry of the transparency log is never changed');
END;
CREATE TRIGGER log_entry_is_not_deleted BEFORE DELETE ON log_entry BEGIN
SELECT RAISE(ABORT, 'an entry of the transparency log is never deleted');
END;
