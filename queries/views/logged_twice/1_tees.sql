-- Calls of a maestro.log that stand in another file as well, such as what its console printed. One row per further copy.
-- Equal calls of one file are different calls: they are numbered, and the copies of each number are one.
create or replace view teed_calls as
with lines as (
    select
        source_id, source_offset,
        struct_pack(
            at := created_at, model := model, agent := agent_id, story := story_id, state := state, success := success,
            request := request_tokens, response := response_tokens, latency := latency_ms, error := error
        ) as what,
    from base_calls
    where starts_with(format, 'maestro-log/')
),
numbered as (
    select *, row_number() over (partition by source_id, what order by source_offset) as nth from lines
)
select source_id, source_offset
from numbered
qualify row_number() over (partition by what, nth order by source_id) > 1;

-- The same of events.
create view teed_events as
with lines as (
    select
        source_id, source_offset,
        struct_pack(
            at := created_at, kind := kind, agent := agent_id, story := story_id, model := model, attempt := attempt,
            reason := reason, metadata := metadata
        ) as what,
    from stored_llm_events
    where format = 'maestro-log'
),
numbered as (
    select *, row_number() over (partition by source_id, what order by source_offset) as nth from lines
)
select source_id, source_offset
from numbered
qualify row_number() over (partition by what, nth order by source_id) > 1;

create or replace view all_events as
select * from stored_llm_events anti join teed_events using (source_id, source_offset);
