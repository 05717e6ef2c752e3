-- Whether calls repeat, whether some are copies of Codex, whether one call can be in two of maestro's files, and whether two of its logs were written at
-- the same time, as a log and what its console printed are. One row. Where nothing of that is so, calls need not be
-- compared with each other, which is the dear part of counting them once.
create view shape as
select
    exists (select 1 from base_calls) as any_left,
    exists (select 1 from base_calls where dedupe_key is not null) as repeats,
    exists (select 1 from base_calls where starts_with(dedupe_key, 'codex:copy:')) as copies,
    exists (select 1 from base_calls where ends_with(format, '/sum')) as sums,
    exists (select 1 from base_calls where starts_with(format, 'maestro-log/'))
    and exists (select 1 from base_calls where starts_with(format, 'maestro-usage/')) as pairs,
    exists (
        select 1
        from (
            select min(first_at) as first_at, max(last_at) as last_at
            from stored_batches
            where format like '%maestro-log/%'
            group by source_id
        )
        qualify first_at <= max(last_at) over (order by first_at rows between unbounded preceding and 1 preceding)
    ) as tees;

set variable shape = (select shape from shape);
