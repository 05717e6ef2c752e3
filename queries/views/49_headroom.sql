-- How near each model is to its limits at a moment: what its last 60 seconds counted, the limit, and the peaks of clock
-- minutes before. One row per provider, model and what counts.
-- A limit is the one of limits.toml that names the model most exactly, else the newest that the provider stated.
create macro headroom(moment) as table (
    with minutes as (
        select * exclude (second), make_timestamptz(second * 1_000_000) as minute from charged(null, moment, 60)
    ),
    recent as (
        select provider, model, counts, sum(amount)::bigint as used
        from charged(moment - interval 1 minute, moment, 60)
        group by all
    ),
    models as (
        select
            provider, model, counts,
            max(amount) as peak,
            arg_max(minute, (amount, -epoch_us(minute))) filter (amount > 0) as peak_minute,
            max(amount) filter (minute >= date_trunc('day', moment)) as peak_today,
            arg_max(minute, (amount, -epoch_us(minute))) filter (minute >= date_trunc('day', moment) and amount > 0) as peak_today_minute,
        from minutes
        group by all
    ),
    own as (
        select
            models.provider, models.model, models.counts,
            arg_max(a_minute, (len(own_limits.model), own_limits.provider is not null)) as a_minute,
        from models
        inner join own_limits
            on models.counts = own_limits.counts
            and starts_with(coalesce(models.model, ''), own_limits.model)
            and (own_limits.provider is null or own_limits.provider is not distinct from models.provider)
        group by all
    )
    select
        models.provider, models.model, models.counts, coalesce(recent.used, 0) as used,
        coalesce(a_minute, limit_value)::bigint as limit_a_minute,
        case when a_minute is not null then 'own' when limit_value is not null then 'stated' end as limit_from,
        used / limit_a_minute as share,
        if(limit_a_minute is null, null, greatest(limit_a_minute - used, 0)) as headroom,
        peak, peak_minute, peak_today, peak_today_minute,
    from models
    left join recent
        on models.provider is not distinct from recent.provider
        and models.model is not distinct from recent.model
        and models.counts = recent.counts
    left join own
        on models.provider is not distinct from own.provider
        and models.model is not distinct from own.model
        and models.counts = own.counts
    left join stated_limits as stated
        on models.provider is not distinct from stated.provider
        and models.model = stated.model
        -- Google calls the tokens of a minute that it limits input tokens, as no others count.
        and models.counts = if(stated.provider = 'google' and dimension = 'ITPM', 'TPM', dimension)
);
