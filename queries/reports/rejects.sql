-- Records that could not be read, by reason, with an example
-- One row per format and reason, most frequent first. `ingest explain EXAMPLE_PATH --at EXAMPLE_OFFSET` shows the record
-- as it is in the log: the warehouse has its structure.
-- First: reason, rejects, format, example_path
-- Sums: rejects
-- Chart: bar y=reason x=rejects color=format
select
    format, reason, count(*) as rejects, count(distinct source_id) as sources,
    min(created_at) as first_at, max(created_at) as last_at,
    arg_min(source_path, (source_path, source_offset)) as example_path,
    arg_min(source_offset, (source_path, source_offset)) as example_offset,
    arg_min(line[:120], (source_path, source_offset)) as example,
from rejects
group by format, reason
order by rejects desc, format, reason;
