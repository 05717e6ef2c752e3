-- The provider's id of a response where its form makes it unique in the world, else NULL. Applications and gateways make
-- up others, which come again.
create macro unique_id(id) as if(
    length(id) >= 25
    and (
        starts_with(id, 'chatcmpl-') or starts_with(id, 'msg_') or starts_with(id, 'resp_') or starts_with(id, 'gen-')
        or starts_with(id, 'cmpl-')
    ), id, null
);

-- The records with what says of which call they may be; NULL where nothing does, and each is a call. One row per record.
create view identified_calls as
select *, dedupe_key as call_key from counted_calls;
