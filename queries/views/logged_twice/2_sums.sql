-- Sums that an agent keeps of a session whose calls are there as well. One row per sum: these calls count, not the sum.
create or replace view told_sums as
with called as (
    select distinct session_id, tool_of(format) as agent
    from stored_llm_calls
    where not is_sum(format) and session_id is not null
)
select source_id, source_offset
from base_calls as summed
where is_sum(format)
    and exists (
        select 1
        from called
        where called.session_id = summed.session_id and called.agent = tool_of(summed.format)
    );
