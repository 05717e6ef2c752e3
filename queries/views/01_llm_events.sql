-- All events, each once, whatever the filters leave. One row per event. Where a file may be there twice, `logged_twice/`
-- replaces this view.
create view all_events as
select * from stored_llm_events;

-- The events that the filters leave. One row per event. An event that doesn't say whose it is passes that filter.
create view llm_events as
select *
from all_events
where (getvariable('filters').since is null or created_at >= getvariable('filters').since)
    and (getvariable('filters').until is null or created_at < getvariable('filters').until)
    and (getvariable('filters').model is null or model is null or model in getvariable('filters').model)
    and (getvariable('filters').agent_id is null or agent_id is null or agent_id in getvariable('filters').agent_id)
    and (getvariable('filters').story_id is null or story_id is null or story_id in getvariable('filters').story_id)
    and (
        getvariable('filters').session_id is null
        or session_id is null
        or session_id in getvariable('filters').session_id
    );
