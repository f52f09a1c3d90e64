-- Where the payload of a letter went that was sent to a topic: {"topic", "partition", "offset"}.
ALTER TABLE letters ADD COLUMN sent_to TEXT;
ALTER TABLE letter_closings ADD COLUMN sent_to TEXT;
