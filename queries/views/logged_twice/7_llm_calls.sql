-- All calls, each counted once however often it was logged. One row per logical call.
create or replace view llm_calls as
with logged_twice as (
    select log_source_id as source_id, log_source_offset as source_offset from maestro_pairs
    union all
    select usage_source_id, usage_source_offset from maestro_pairs
    union all
    select source_id, source_offset from teed_calls
)
select * from counted_calls anti join logged_twice using (source_id, source_offset)
where dedupe_key is null and (not getvariable('shape').observers or unique_id(request_id) is null)
union all by name
select * from paired_calls
union all by name
select * from repeated_calls;
