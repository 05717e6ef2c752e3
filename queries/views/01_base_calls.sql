-- The stored calls that the filters leave. One row per stored record, so a call that was logged twice is here twice.
create view base_calls as
-- NULL in `requests` is a sum that doesn't say of how many; in rows that were written before there was that column, it is 1.
-- Where the ledger says that there are no sums, the column is not even read.
select * replace (
    if(getvariable('has_sums') is false, 1, coalesce(requests, if(task is not distinct from 'session', null, 1)))::bigint
    as requests
)
from stored_llm_calls
where (getvariable('filters').since is null or created_at >= getvariable('filters').since)
    and (getvariable('filters').until is null or created_at < getvariable('filters').until)
    and (getvariable('filters').model is null or model in getvariable('filters').model)
    and (getvariable('filters').agent_id is null or agent_id in getvariable('filters').agent_id)
    and (getvariable('filters').story_id is null or story_id in getvariable('filters').story_id)
    and (getvariable('filters').session_id is null or session_id in getvariable('filters').session_id)
    and (getvariable('filters').user_id is null or user_id in getvariable('filters').user_id)
    and (getvariable('filters').account_id is null or account_id in getvariable('filters').account_id)
    and (getvariable('filters').role is null or role in getvariable('filters').role)
    and (getvariable('filters').project is null or project in getvariable('filters').project)
    and (getvariable('filters').tool is null or tool_of(format) in getvariable('filters').tool)
    and (getvariable('filters').host is null or host in getvariable('filters').host)
    and (getvariable('filters').provider is null or provider in getvariable('filters').provider);
