-- Rate limits: how near the calls came, and which limit would have let them pass
-- One row per provider, model and limit.
-- $limit: tokens (or requests) a minute to replay: a bucket of that size, refilled by a 60th of it each second (default:
--   that of limits.toml, else the newest that the provider stated in an error or a header, where it did)
-- $charge: when a call counts, `end` or `start` (default: end)
-- $window: `bucket`, or `fixed`: a count that begins anew with each clock minute (default: what limits.toml says, bucket)
-- Notes: told_limits
-- Note: A limit is that of -p limit=, else of limits.toml in the warehouse, else stated. The smallest limits are those at which no call, and at which 1% of the calls, would have waited.
-- First: model, counts, rolling_peak, throttled_calls|limit_for_none
-- Chart: bar y=model x=fixed_peak,rolling_peak,largest_call facet=counted limit=replayed_limit unit='in a minute'
select
    provider, model, counts, counted, calls, fixed_peak, rolling_peak, largest_call,
    largest_call / nullif(rolling_peak, 0) as largest_call_share,
    throttled_calls, max_wait_s, total_wait_s, limit_for_none, limit_for_one_percent, rules_as_of, failed_calls,
    if(replayed_limit is null or stated_at is not null, null, if(throttled_calls > 0, 'throttled', 'ok')) as status,
    replayed_limit, stated_at, limit_window,
from replays
where charge = coalesce($charge::varchar, 'end') and limit_window = coalesce($window::varchar, limit_window)
    and ($limit::bigint is null or replayed_limit = $limit::bigint)
order by provider, model, counts;
