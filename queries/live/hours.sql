-- What each minute of the last hour counted, from 0 to 59, which is the one of now. One row per provider, model and what
-- counts.
-- $moment: now
with minutes as (
    select provider, model, counts, amount, 59 - (epoch_us($moment::timestamptz) // 60_000_000 - second // 60) as minute,
    from charged($moment::timestamptz - interval 1 hour, $moment::timestamptz, 60)
)
select provider, model, counts, list({ 'minute': minute, 'amount': amount } order by minute) as hour
from minutes
where minute >= 0
group by all;
