-- Why our numbers and a provider's differ for one day and model; NULL when they agree. `row` is a row of `reconcile`.
create macro likely_cause(compared) as case
    when compared.model is null and compared.our_calls is null then 'a charge for something else than tokens'
    when compared.model is null then 'calls of ours whose model is not known'
    when compared.our_calls is null then 'missing calls: none of that day and model were ingested'
    when compared.their_tokens is null and compared.their_cost_usd is null
        then 'not in the export: another account, or the edge of a day in another time zone'
    when not coalesce(compared.tokens_differ, false) and not coalesce(compared.costs_differ, false) then null
    when compared.our_calls < compared.their_calls then 'missing calls'
    when compared.our_calls > compared.their_calls then 'duplicates, or calls of another account'
    when compared.tokens_differ and compared.our_tokens is null then 'our log does not say the tokens'
    when compared.tokens_differ and compared.estimated_calls > 0 then 'tokens of our log are estimates'
    when compared.tokens_differ and abs(compared.token_difference) = compared.cache_read_tokens
        then 'cached tokens are counted on one side only'
    when compared.tokens_differ and compared.token_difference < 0 then 'missing calls, or failed ones that were billed'
    when compared.tokens_differ then 'duplicates, or calls of another account'
    when compared.unpriced_calls > 0 then 'models without a price'
    else 'prices differ: a tier, a discount, or a batch rate'
end;
