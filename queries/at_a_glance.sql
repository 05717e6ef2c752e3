-- What a status line shows: the tokens of each second of the last minutes, and what the day has cost so far. One row.
-- $now: the moment
with today as (
    select * from llm_calls where created_at >= date_trunc('day', $now::timestamptz)
),
recent as (
    select model, epoch(created_at)::bigint as second, sum(total_tokens)::bigint as tokens
    from single_calls
    where created_at > $now::timestamptz - interval 2 minute and total_tokens is not null
    group by all
)
select
    (select sum(cost_usd)::double from today) as cost_usd,
    (select sum(total_tokens)::bigint from today) as total_tokens,
    (select count(*) filter (cost_usd is null and success is not false) from today) as unpriced_calls,
    epoch(date_trunc('day', $now::timestamptz + interval 1 day))::bigint as day_ends,
    (select list({second: second, model: model, tokens: tokens} order by second, model) from recent) as recent
