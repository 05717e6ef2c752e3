-- What the calls of the last minute counted, so that any 60 seconds can be summed later. One row per second and count.
-- $moment: now
from charged($moment::timestamptz - interval 61 second, null, 1);
