-- Rate limits: how near the calls came, and which limit would have let them pass
-- One row per provider, model and limit.
-- $limit: tokens (or requests) a minute to replay: a bucket of that size, refilled by a 60th of it each second
-- $charge: when a call counts, `end` or `start` (default: end)
-- $window: `bucket`, or `fixed`: a count that begins anew with each clock minute (default: what limits.toml says, bucket)
-- Note: Limits are that of -p limit=, else those of limits.toml in the warehouse. Where there is none: the smallest limits at which no call, and at which 1% of the calls, would have waited.
-- First: model, counts, rolling_peak, throttled_calls|limit_for_none
-- Chart: bar y=model x=fixed_peak,rolling_peak,largest_call facet=counted limit=limit_value unit='in a minute'
select
    provider, model, counts, counted, calls, fixed_peak, rolling_peak, largest_call,
    largest_call / nullif(rolling_peak, 0) as largest_call_share,
    throttled_calls, max_wait_s, total_wait_s, limit_for_none, limit_for_one_percent, rules_as_of, failed_calls,
    if(limit_value is null, null, if(throttled_calls > 0, 'throttled', 'ok')) as status, limit_value, limit_window,
from replays
where replayed_limit is not distinct from $limit::bigint and charge = coalesce($charge::varchar, 'end')
    and limit_window = coalesce($window::varchar, limit_window)
order by provider, model, counts;
