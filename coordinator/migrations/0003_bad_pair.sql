-- LCG's store, version 3: bad pairs, so that nobody keeps the same hospital out of slot after slot.

-- Pairs of hospitals that could not be in one cohort. Both ends have a row. Never changes.
CREATE TABLE bad_pair (
  sid      BLOB NOT NULL                         -- attempt in which it was found
           CHECK (length(sid) = 32),
  lock     TEXT NOT NULL,                        -- name of the lock in the roster
  slot     INTEGER NOT NULL,                     -- slot of the lock
  node     INTEGER NOT NULL,                     -- one end (NodeId)
  partner  INTEGER NOT NULL,                     -- the other end (NodeId)
  left_out INTEGER NOT NULL                      -- 1 if node was left out because of its bad pairs, else 0
           CHECK (left_out IN (0, 1)),
  PRIMARY KEY (sid, node, partner)
) STRICT;
CREATE INDEX bad_pair_of_lock ON bad_pair (lock, slot);
