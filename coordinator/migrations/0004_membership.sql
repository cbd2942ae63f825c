-- LCG's store, version 4: what the next roster is to say of a hospital.

ALTER TABLE hospital ADD COLUMN
  marked TEXT                                    -- mutable: status in the next proposal; null: as the newest roster has it
  CHECK (marked IN ('active', 'suspended', 'left'));
