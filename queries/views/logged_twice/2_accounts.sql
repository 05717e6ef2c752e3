-- Records that another account of the same calls makes needless: rows of maestro's data plane beside the usage file that they
-- were imported from, steps of agentic-runtime beside the lines of their calls, and lines of a trading system's log beside
-- the rows of its table, which are written when a run has ended. One row per such record.
-- A step is the sum of its calls. Of the calls themselves, what was printed comes before what was written for debugging.
create or replace view superseded_calls as
with copies as (
    select
        source_id, source_offset, request_id, starts_with(format, 'maestro-plane/') as is_copy,
        struct_pack(
            at := created_at, model := model, success := success, request := request_tokens, response := response_tokens
        ) as what,
    from base_calls
    where starts_with(format, 'maestro-plane/') or starts_with(format, 'maestro-usage/')
),
numbered as (
    select *, row_number() over (partition by what, is_copy order by source_id, source_offset, request_id) as nth
    from copies
),
logged as (
    select
        source_id, source_offset, request_id, format like 'trading/log%' as is_copy,
        struct_pack(
            role := role, provider := provider, model := model, request := request_tokens, response := response_tokens,
            latency := latency_ms
        ) as what,
        row_number() over (partition by what, is_copy order by created_at, source_id, source_offset) as nth,
    from base_calls
    where starts_with(format, 'trading/') and latency_ms is not null
),
steps as (
    select
        source_id, source_offset, request_id, run_id, step_id,
        case layout_of(format) when 'agentic-runtime/stdout' then 1 when 'agentic-runtime/debug' then 2 else 3 end
            as account,
    from base_calls
    where starts_with(format, 'agentic-runtime/') and step_id is not null
)
select source_id, source_offset, request_id
from numbered
where is_copy and (what, nth) in (select (what, nth) from numbered where not is_copy)
union all
select source_id, source_offset, request_id
from logged
where is_copy and (what, nth) in (select (what, nth) from logged where not is_copy)
union all
select source_id, source_offset, request_id
from steps
qualify account > min(account) over (partition by run_id, step_id);
