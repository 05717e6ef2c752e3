"""A provider's export, in the shapes that providers give it, against our calls."""

import pytest
from warehouses import build, call

import queries
from queries.errors import QueryError

OPUS = {"model": "claude-opus-4-5-20251101", "provider": "anthropic"}
UNPRICED = {"model": "brand-new", "cost_usd": None, "cost_reported_usd": None}

ANTHROPIC_USAGE = """{"data": [{"starting_at": "2026-02-03T00:00:00Z", "results": [{"model": "claude-opus-4-5-20251101",
"uncached_input_tokens": 350, "cache_read_input_tokens": 800, "output_tokens": 150,
"cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50}}]}], "has_more": false}"""
ANTHROPIC_COST = """{"data": [{"starting_at": "2026-02-03T00:00:00Z", "results": [{"currency": "USD",
"amount": "0.15", "model": "claude-opus-4-5-20251101", "description": "Input"}]}], "has_more": false}"""
OPENAI_USAGE = """{"data": [{"start_time": 1770076800, "results": [{"model": "gpt-5.2-2025-12-11",
"input_tokens": 900, "input_cached_tokens": 800, "output_tokens": 100, "num_model_requests": 1}]}]}"""
OPENAI_COST = """{"data": [{"start_time": 1770076800, "results": [{"amount": {"value": 0.001, "currency": "usd"},
"line_item": "gpt-5.2-2025-12-11, input"}]}]}"""
ANTHROPIC_USAGE_CSV = """usage_date_utc,model_version,api_key,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
web_search_count
2026-02-03,claude-opus-4-5-20251101,key,standard,≤ 200k,350,150,50,800,150,0
"""
ANTHROPIC_COST_CSV = """usage_date_utc,model,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-02-03,Claude Opus 4.5,message,≤ 200k,input_no_cache,0.001,0.002,token
2026-02-03,Claude Opus 4.5,message,≤ 200k,output,0.0005,0.001,token
"""
OPENAI_USAGE_CSV = """start_time,end_time,start_time_iso,project_id,num_model_requests,model,service_tier,\
input_tokens,output_tokens,input_cached_tokens
1770076800,1770163200,2026-02-03T00:00:00+00:00,p,1,gpt-5.2-2025-12-11,,900,100,800
"""
OPENAI_COST_CSV = """start_time,end_time,start_time_iso,amount_value,amount_currency,line_item,project_id
1770076800,1770163200,2026-02-03T00:00:00+00:00,0.001,usd,"gpt-5.2-2025-12-11, input",p
1770163200,1770249600,2026-02-04T00:00:00+00:00,,,,
"""
SPREADSHEET = "Usage Date;Model Name;Input Tokens;Output Tokens;Total Cost (USD)\n2026-02-03;gpt-5.2;900;100;$0.001\n"
TOTALS = "day,model,total_tokens\n2026-02-03,gpt-5.2,1000\n"
PARTS = "date,model,input_cost,output_cost,prompt_tokens,completion_tokens\n2026-02-03,gpt-5.2,.0009,.0001,900,100\n"
NEXT_DAY = "timestamp,model,input_tokens,output_tokens\n2026-02-02T23:30:00-05:00,gpt-5.2,900,100\n"
OPENROUTER = """generation_id,created_at,cost_total,cost_web_search,cost_cache,tokens_prompt,tokens_completion,\
tokens_reasoning,tokens_cached,model_permaslug,generation_time_ms,time_to_first_token_ms
gen-1,2026-02-03 08:00:00.040,0.0004,0,-0.001,500,40,0,40,gpt-5.2-2025-12-11,2345,400
gen-2,2026-02-03 08:01:00.040,0.0006,0.0001,0,400,60,10,0,gpt-5.2-2025-12-11,900,200
"""
OPENROUTER_API = """{"data": [{"date": "2026-02-03", "model": "gpt-5.2", "usage": 0.001, "requests": 1,
"prompt_tokens": 900, "completion_tokens": 100, "reasoning_tokens": 7}]}"""
DEEPSEEK_AMOUNT = """user_id,utc_date,model,api_key_name,api_key,type,price,amount
u,2026-02-03,gpt-5.2,k1,sk-x,input_cache_hit_tokens,0.00000007,500
u,2026-02-03,gpt-5.2,k2,sk-y,input_cache_hit_tokens,0.00000007,100
u,2026-02-03,gpt-5.2,k1,sk-x,input_cache_miss_tokens,0.00000027,300
u,2026-02-03,gpt-5.2,k1,sk-x,output_tokens,0.0000011,100
u,2026-02-03,gpt-5.2,k1,sk-x,request_count,,1
"""
DEEPSEEK_COST = """user_id,utc_date,model,wallet_type,cost,currency
u,2026-02-03,gpt-5.2,paid,0.0006,USD
u,2026-02-03,gpt-5.2,granted,0.0004,USD
"""
LONG_TIMES = """start_time_iso,end_time_iso,model,metric,value,cost_cny
2026-02-03T08:00:00+08:00,2026-02-04T08:00:00+08:00,gpt-5.2,prompt_tokens,900,5
2026-02-03T08:00:00+08:00,2026-02-04T08:00:00+08:00,gpt-5.2,completion_tokens,100,9
"""
EPOCH_MS = "timestamp,latency_ms,model,input_tokens,output_tokens\n1770076800123,9,gpt-5.2,900,100\n"
EPOCH_FLOAT = "created,model,prompt_tokens,completion_tokens\n1770076800.25,gpt-5.2,900,100\n"
WRITTEN_DAY = 'Date,Model,Input tokens,Output tokens,Amount\n"Feb 3, 2026",gpt-5.2,900,100,"$0.001"\n'


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    calls = [
        call("2026-02-03T10:00:00", 1_000, **OPUS),
        call("2026-02-03T23:59:59", 500, **OPUS),
        call("2026-02-03T11:00:00", 1_000),
        call("2026-02-03T12:00:00", 1_000, provider=None, model="tuned"),
        call("2026-02-03T13:00:00", None, model="o3"),
        call("2026-02-04T11:00:00", 500, **UNPRICED, provider="elsewhere"),
        call("2026-02-04T12:00:00", None, success=True, model="quiet", provider="elsewhere"),
    ]
    return build(tmp_path_factory.mktemp("w"), llm_calls=calls)


@pytest.fixture
def reconcile(warehouse, tmp_path):
    def answer(text):
        (tmp_path / "export").write_text(text)
        with queries.connect(warehouse, tz="America/New_York") as connection:
            return queries.run(connection, "reconcile", file=str(tmp_path / "export")).frame.to_dicts()

    return answer


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_USAGE",
        "ANTHROPIC_COST",
        "OPENAI_USAGE",
        "OPENAI_COST",
        "ANTHROPIC_USAGE_CSV",
        "ANTHROPIC_COST_CSV",
        "OPENAI_USAGE_CSV",
        "OPENAI_COST_CSV",
        "SPREADSHEET",
        "TOTALS",
        "PARTS",
        "NEXT_DAY",
        "OPENROUTER",
        "OPENROUTER_API",
        "DEEPSEEK_AMOUNT",
        "DEEPSEEK_COST",
        "LONG_TIMES",
        "EPOCH_MS",
        "EPOCH_FLOAT",
        "WRITTEN_DAY",
    ],
)
def test_what_agrees_is_found_to_agree_in_every_shape_that_providers_export(reconcile, name):
    (row,) = reconcile(globals()[name])

    known = [(row["our_tokens"], row["their_tokens"]), (row["our_cost_usd"], row["their_cost_usd"])]
    assert row["status"] == "ok"
    assert any(theirs is not None for _, theirs in known)
    assert all(ours == theirs for ours, theirs in known if theirs is not None)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("2026-02-03,gpt-5.2,9,1,", "duplicates, or calls of another account"),
        ("2026-02-03,gpt-5.2,900,1000,", "missing calls, or failed ones that were billed"),
        ("2026-02-03,gpt-5.2,900,100,5", "prices differ: a tier, a discount, or a batch rate"),
        ("2026-02-04,brand-new,400,100,50", "models without a price"),
        ("2026-02-04,quiet,400,100,", "our log does not say the tokens"),
        ("2026-02-03,tuned,900,200,", "missing calls, or failed ones that were billed"),
        ("2026-02-03,never-seen,900,100,", "missing calls: none of that day and model were ingested"),
    ],
)
def test_what_differs_says_why_also_where_we_know_nothing(reconcile, line, cause):
    rows = reconcile(f"date,model,input_tokens,output_tokens,cost\n{line}\n")

    (row,) = [row for row in rows if row["model"] == line.split(",")[1]]
    assert (row["status"], row["likely_cause"]) == ("differs", cause)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,cost\ngpt-5.2,1\n", "no column with a date"),
        ("date,model\n2026-02-03,gpt-5.2\n", "no columns with input and output tokens, total tokens, or cost"),
        ("date,model,cost\nsome day,gpt-5.2,1\n", "some day"),
        ("date,model,cost\n03/02/2026,gpt-5.2,1\n", "03/02/2026"),
        ("date,model,cost,currency\n2026-02-03,gpt-5.2,1,CNY\n", "in CNY, not in USD"),
        ("date,model,cost_eur\n2026-02-03,gpt-5.2,1\n", "no columns with"),
        ("date,model,total_tokens\n2026-02-03,gpt-5.2,Infinity\n", "convert Infinity"),
        ("start_time,amount_value,line_item\n1770076800,0.5,\n", "names no model: export it by model"),
        ('{"error": {"message": "invalid key"}}', "results"),
    ],
)
def test_an_export_that_can_not_be_compared_says_what_it_lacks(reconcile, text, message):
    with pytest.raises(QueryError, match=message):
        reconcile(text)
