-- What the calls of the last hour counted, so that any 60 seconds can be summed later. One row per second and count.
-- $moment: now
select provider, model, counts, epoch_us(created_at) // 1_000_000 as second, sum(amount)::bigint as amount,
from charged_calls
where created_at > $moment::timestamptz - interval 61 minute
group by all;
