-- What each call counted against the limits of its provider, at which instant (microseconds), where in its source (in
-- sixteens of bytes, so that it is a small number), and whether it failed. One row per call; `second` is 0 where there is
-- one limit. `rated` are the rows of `rated_models.sql` as a table: of
-- that, DuckDB knows that it is small.
-- $charge: the instant that counts, `end` or `start` of the call
with calls as (
    select
        provider, model,
        epoch_us(if($charge::varchar = 'start', coalesce(started_at, created_at), created_at)) as at_us,
        coalesce(cache_read_tokens, 0) as read, coalesce(cache_write_tokens, 0) as written,
        greatest(coalesce(request_tokens, 0) - read - written, 0) as uncached,
        coalesce(response_tokens, 0) as generated,
        coalesce(max_tokens, generated) as bound,
        success is false as failed,
        greatest(0, least(source_offset >> 4, 4_294_967_295))::uinteger as place,
    from single_calls
)
select
    id, failed, at_us, place,
    uncached * uncached_input_1 + written * cache_write_1 + read * cache_read_1
        + if(reserved_1 = 1, bound, generated * output_1) as first,
    uncached * uncached_input_2 + written * cache_write_2 + read * cache_read_2
        + if(reserved_2 = 1, bound, generated * output_2) as second,
from calls
inner join rated
    on calls.provider is not distinct from rated.provider and calls.model is not distinct from rated.model
