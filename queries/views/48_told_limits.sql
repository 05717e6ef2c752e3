-- Where limits come from that nobody gave. One row, a note, per stated limit.
create view told_limits as
select
    concat_ws(
        ' ', 'Without -p limit=, the', dimension, 'of', model, 'is', format('{:,}', limit_value) || ', as stated on',
        strftime(stated_at, '%Y-%m-%d %H:%M') || ' in', source_path
    ) as note,
from stated_limits
order by model, dimension, provider;
