-- Calls that needed more than one try, or that failed and were made again
-- One row per call and evidence, in order.
-- Notes: unobservable_retries
-- First: created_at, agent_id, model, tries, outcome
-- Chart: point x=created_at y=tries color=model shape=outcome
select
    created_at, agent_id, story_id, state, model, tries, outcome, waited_ms, error_type, error, tokens_of_failed_tries,
    cost_of_failed_tries_usd, evidence,
from retries
order by created_at, agent_id, evidence, story_id, state, model, tries, outcome, waited_ms, error_type, error;
