-- What is known of each source: rows, rejects, tokens, cost, duplicates
-- One row per format and source, the largest first.
-- First: format, source_path, rows, rejects
-- Sums: rows, rejects, tokens_known, cost_known, estimated, duplicates_dropped
-- Chart: bar y=source_path x=rows color=format
select
    format, source_path, rows, rejects, tokens_known, cost_known, estimated, duplicates_dropped, first_at, last_at,
    source_id,
from coverage
order by rows desc, rejects desc, format, source_id;
