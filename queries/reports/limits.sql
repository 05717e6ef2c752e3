-- Rate limits: how near the calls came, and which limit would have let them pass
-- One row per provider, model and limit.
-- $limit: tokens (or requests) a minute to replay: a bucket of that size, refilled by a 60th of it each second (default:
--   the newest that the provider stated in an error or a header, where it did)
-- $charge: when a call counts, `end` or `start` (default: end)
-- Notes: told_limits
-- Note: Without a limit: the smallest limits at which no call, and at which 1% of the calls, would have waited.
-- Chart: bar y=model x=fixed_peak,rolling_peak,largest_call facet=counted unit='in a minute'
select
    provider, model, counts, counted, calls, fixed_peak, rolling_peak, largest_call,
    largest_call / nullif(rolling_peak, 0) as largest_call_share,
    throttled_calls, max_wait_s, total_wait_s, limit_for_none, limit_for_one_percent, rules_as_of, failed_calls,
    if($limit::bigint is null, null, if(throttled_calls > 0, 'throttled', 'ok')) as status, replayed_limit, stated_at,
from replays
where charge = coalesce($charge::varchar, 'end')
order by provider, model, counts;
