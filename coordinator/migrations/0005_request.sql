-- LCG's store, version 5: who asks signs what is asked.

ALTER TABLE warrant ADD COLUMN
  request BLOB                                   -- the requester's Ed25519 signature; null: made before there was one, and not runnable
  CHECK (length(request) = 64);
