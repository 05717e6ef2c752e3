-- Hours that stand out from a model's and agent's own history
-- One row per hour, model, agent and measure, the latest first.
-- $factor: how many (scaled) median absolute deviations above the median (default: 6)
-- First: hour, model, agent_id, measure, value
-- Chart: point x=hour y=value color=model facet=measure
select
    hour, model, agent_id, measure, value, median, mad, score, calls, failed_calls, largest_call_tokens, largest_call_at,
    largest_call_path, largest_call_offset,
from anomalies(coalesce($factor::double, 6))
order by hour desc, model, agent_id, measure;
