-- What is known of each source: rows, rejects, tokens, cost, duplicates
-- One row per format and source, the largest first. `partial`: of one side only the tokens are known; `contradicted`: no
-- reading of the counts gives the total that the record states; `unpriced_units`: audio, image and video tokens and web
-- searches without a price of their own; `unread_lines`: lines that speak of tokens and a model, and that no format read.
-- First: format, source_path, rows, rejects
-- Sums: rows, rejects, tokens_known, cost_known, estimated, duplicates_dropped, unpriced_units, unread_lines
-- Chart: bar y=source_path x=rows color=format
select
    format, source_path, rows, rejects, tokens_known, cost_known, estimated, duplicates_dropped, first_at, last_at,
    source_id, partial, contradicted, unpriced_units, unread_lines,
from coverage
order by rows desc, rejects desc, format, source_id;
