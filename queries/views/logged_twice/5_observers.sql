-- The records with what says of which call they may be. One row per record. Where several instruments or tools may
-- have seen a call, the provider's id of the response is its identity, whoever wrote it; a span and what was made of it have
-- one key, so that the id of one is the other's.
create or replace view identified_calls as
with named as (
    select
        *,
        coalesce(
            unique_id(substr(dedupe_key, strpos(dedupe_key, ':') + 1)),
            if(dedupe_key is null or starts_with(dedupe_key, 'otlp:'), unique_id(request_id), null)
        ) as response_id,
    from counted_calls
),
spans as (
    select dedupe_key, min(response_id) as id_of_span
    from named
    where starts_with(dedupe_key, 'otlp:')
    group by dedupe_key
)
select * exclude (response_id, id_of_span), coalesce(response_id, id_of_span, dedupe_key) as call_key
from named
left join spans using (dedupe_key);
