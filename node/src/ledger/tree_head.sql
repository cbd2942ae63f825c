-- The coordinator's transparency log as this agent last believed it; one row. It only grows, unless the operator
-- decides to begin anew (the row is then deleted).
CREATE TABLE tree_head (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    size      INTEGER NOT NULL CHECK (size >= 0),                -- entries
    root      BLOB NOT NULL CHECK (length(root) = 32),           -- Merkle root over them (RFC 9162)
    signature BLOB NOT NULL CHECK (length(signature) = 64)       -- the coordinator's, over size and root
) STRICT;
CREATE TRIGGER tree_head_never_shrinks BEFORE UPDATE ON tree_head WHEN NEW.size < OLD.size
    BEGIN SELECT RAISE(ABORT, 'the transparency log never shrinks'); END;
