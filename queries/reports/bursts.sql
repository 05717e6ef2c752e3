-- Bursts: runs of minutes with many tokens, and what made them
-- One row per burst, largest first.
-- $threshold: tokens a minute that make a burst (default: the 95th percentile of the model's active minutes)
-- First: model, started_at, total_tokens, verdict
-- Chart: point x=started_at y=peak_tpm size=total_tokens color=model shape=verdict
select
    model, started_at, ended_at, minutes, calls, total_tokens, peak_tpm, largest_call_tokens, largest_call_share,
    top_agent, top_agent_share, verdict, failed_calls,
from bursts($threshold::bigint)
order by total_tokens desc, started_at, model;
