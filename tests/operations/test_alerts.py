"""The alerts, by Prometheus' own `promtool`: each fires where it should and only there, and has its runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.rendering import objects

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "lychgate" / "rules" / "lychgate.yaml"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
METRICS = (ROOT / "docs" / "operations.md").read_text("utf-8")
PROMTOOL = shutil.which("promtool")

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
RECORDED: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"] if "record" in rule
]


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, minute by minute. *firing*: labels of the alert then, or None: it is silent."""

    alert: str
    series: dict[str, str]
    firing: dict[str, str] | None
    at: str = "60m"


def requests(outcome: str, values: str) -> dict[str, str]:
    name = f'lychgate_requests_total{{outcome="{outcome}"}}'
    return {name: values}


def refused(reason: str, values: str) -> dict[str, str]:
    return {f'lychgate_refusals_total{{reason="{reason}"}}': values}


def slow(name: str, labels: str = "", *, late: str, soon: str, bound: float = 0.25) -> dict[str, str]:
    """A histogram: what came within the bound, and all."""
    more = f",{labels}" if labels else ""
    return {f'{name}_bucket{{le="{bound}"{more}}}': soon, f'{name}_bucket{{le="10.0"{more}}}': late,
            f'{name}_bucket{{le="+Inf"{more}}}': late, f"{name}_count{{{labels}}}": late}  # fmt: skip


def landings(*, late: str, soon: str) -> dict[str, str]:
    return slow("lychgate_landing_seconds", 'application="jira"', late=late, soon=soon, bound=5.0)


def sign_ins(result: str, values: str) -> dict[str, str]:
    return {f'lychgate_sign_ins_total{{result="{result}",silent="false",provider="okta"}}': values}


def hooks(result: str, values: str) -> dict[str, str]:
    return {f'lychgate_hook_seconds_count{{application="jira",hook="directory",result="{result}"}}': values}


def answered(code: str, values: str) -> dict[str, str]:
    return {f'lychgate_requests_total{{outcome="forwarded",code="{code}"}}': values}


PLENTY = requests("forwarded", "0+6000x600")
NONE: dict[str, str] = {}
SIGN_INS = sign_ins("started", "0+100x600")
TOKEN = "lychgate_account_token_expiry_timestamp_seconds"
SECRET = "lychgate_client_secret_expiry_timestamp_seconds"
FETCHED = "lychgate_provider_keys_fetched_timestamp_seconds"
EVENTS = "lychgate_events_total"
FINDINGS = "lychgate_doctor_findings"
DAY = 86_400

CASES = [
    Case("LychgateDown", NONE, {}),
    Case("LychgateDown", {"lychgate_build_info": "1x120"}, None),
    Case("LychgateFailsFast", PLENTY | refused("internal", "0+120x600"), {}),
    Case("LychgateFailsFast", PLENTY | refused("internal", "0+60x600"), None),
    # Whoever may not come in, and an application that is down, are no failures of ours.
    Case("LychgateFailsFast", PLENTY | refused("not_in_group", "0+600x600"), None),
    Case("LychgateFailsFast", PLENTY | refused("upstream_unreachable", "0+600x600"), None),
    Case("LychgateFailsSlowly", PLENTY | refused("landing_failed", "0+60x600"), {}, "7h"),
    Case("LychgateFailsSlowly", PLENTY | refused("landing_failed", "0+30x600"), None, "7h"),
    Case("LychgateAddsTime", slow("lychgate_overhead_seconds", soon="0+980x120", late="0+1000x120"), {}),
    Case("LychgateAddsTime", slow("lychgate_overhead_seconds", soon="0+990x120", late="0+1000x120"), None),
    # Only the last five minutes were slow: that is no hour.
    Case("LychgateAddsTime", slow("lychgate_overhead_seconds", soon="0+1000x52 52980+980x60", late="0+1000x120"), None,
         "57m"),
    Case("LychgateAddsTimeSlowly", slow("lychgate_overhead_seconds", soon="0+990x600", late="0+1000x600"), {}, "7h"),
    Case("LychgateAddsTimeSlowly", slow("lychgate_overhead_seconds", soon="0+995x600", late="0+1000x600"), None, "7h"),
    Case("LychgateLandsSlowly", landings(soon="0+90x120", late="0+100x120"), {"application": "jira"}),
    Case("LychgateLandsSlowly", landings(soon="0+99x120", late="0+100x120"), None),
    # One person at a slow moment is no trouble yet.
    Case("LychgateLandsSlowly", landings(soon="0x120", late="0x50 3x70"), None),
    Case("LychgateLoopLags", slow("lychgate_event_loop_lag_seconds", 'instance="a"', soon="0+90x120", late="0+120x120"),
         {"instance": "a"}),
    Case("LychgateLoopLags", slow("lychgate_event_loop_lag_seconds", 'instance="a"', soon="0+9x120", late="0+9x120"),
         None),
    Case("LychgateStateFails", {'lychgate_state_seconds_count{result="failed"}': "0+1x120"}, {"result": "failed"}),
    Case("LychgateStateFails", {'lychgate_state_seconds_count{result="ok"}': "0+100x120"}, None),
    Case("LychgateInstancesUnheard", {'lychgate_state_heard{state="shared"}': "0x120"}, {"state": "shared"}),
    Case("LychgateInstancesUnheard", {'lychgate_state_heard{state="alone"}': "1x120"}, None),
    Case("LychgateNodeLost", {'lychgate_upstream_node_serving{node="jira/a:8080"}': "0x120"}, {"node": "jira/a:8080"}),
    Case("LychgateNodeLost", {'lychgate_upstream_node_serving{node="jira/a:8080"}': "1x120"}, None),
    Case("LychgateUpstreamFails", PLENTY | refused("upstream_unreachable", "0+360x120"), {}),
    # The application's own answers count as well as those that it never gave.
    Case("LychgateUpstreamFails", answered("2xx", "0+90x120") | answered("5xx", "0+10x120"), {}),
    Case("LychgateUpstreamFails", PLENTY | refused("upstream_timeout", "0+60x120"), None),
    Case("LychgateUpstreamFails", PLENTY | refused("not_in_group", "0+3000x120"), None),
    Case("LychgateUpstreamFull", refused("upstream_busy", "0+9x120"), {}),
    Case("LychgateUpstreamFull", refused("upstream_timeout", "0+9x120"), None),
    Case(
        "LychgateBreakGlassOpen",
        {'lychgate_break_glass_open{application="jira"}': "0x59 1x9"},
        {"application": "jira"},
    ),
    Case("LychgateBreakGlassOpen", {'lychgate_break_glass_open{application="jira"}': "1x50 0x20"}, None),
    Case(
        "LychgateBreakGlassWasOpened",
        {'lychgate_break_glass_opened_timestamp_seconds{application="jira"}': "60x120"},
        {"application": "jira"},
    ),
    Case(
        "LychgateBreakGlassWasOpened",
        {'lychgate_break_glass_opened_timestamp_seconds{application="jira"}': "0x120"},
        None,
    ),
    Case(
        "LychgateBreakGlassWasOpened",
        {'lychgate_break_glass_opened_timestamp_seconds{application="jira"}': "60x1500"},
        None,
        at="24h10m",
    ),
    Case("LychgateConfigRefused", {'lychgate_config_refused{instance="a"}': "1x120"}, {"instance": "a"}),
    Case("LychgateConfigRefused", {'lychgate_config_refused{instance="a"}': "0x120"}, None),
    Case("LychgateSecretsRefused", {'lychgate_secrets_refused{instance="a"}': "1x120"}, {"instance": "a"}),
    Case("LychgateSecretsRefused", {'lychgate_secrets_refused{instance="a"}': "0x120"}, None),
    Case("LychgateConfigsDiffer", {f'lychgate_config_info{{hash="{one}"}}': "1x120" for one in "ab"}, {}),
    Case("LychgateConfigsDiffer", {f'lychgate_config_info{{hash="a",instance="{one}"}}': "1x120" for one in "ab"},
         None),
    Case("LychgateSignInsFail", SIGN_INS | sign_ins("code_refused", "0+20x120"), {"provider": "okta"}),
    # People who turn back, or are not let in, say nothing of the provider; two in a quiet night are no outage.
    Case("LychgateSignInsFail", SIGN_INS | sign_ins("provider_refused", "0+90x120"), None),
    Case("LychgateSignInsFail", sign_ins("started", "0x30 3x90") | sign_ins("code_refused", "0x30 2x90"), None, "33m"),
    Case("LychgateSignInsFailSlowly", SIGN_INS | sign_ins("token_invalid", "0+8x600"), {"provider": "okta"}, "7h"),
    Case("LychgateSignInsFailSlowly", SIGN_INS | sign_ins("token_invalid", "0+4x600"), None, "7h"),
    Case("LychgateSignInLoops", refused("login_loop", "0+1x120"), {}),
    Case("LychgateSignInLoops", refused("login_loop", "0x50 1x70"), None),
    Case("LychgateRefreshesFail", {'lychgate_refreshes_total{provider="okta",result="ok"}': "0+50x120",
         'lychgate_refreshes_total{provider="okta",result="provider_unreachable"}': "0+50x120"}, {"provider": "okta"}),
    Case("LychgateRefreshesFail", {'lychgate_refreshes_total{provider="okta",result="ok"}': "0+50x120",
         'lychgate_refreshes_total{provider="okta",result="provider_refused"}': "0+5x120"}, None),
    Case("LychgateProviderUnreachable", {'lychgate_provider_requests_total{provider="okta",endpoint="keys",'
         'result="provider_unreachable"}': "0+1x120"}, {"provider": "okta", "endpoint": "keys"}),
    Case("LychgateProviderUnreachable", {'lychgate_provider_requests_total{provider="okta",endpoint="token",'
         'result="refused"}': "0+9x120"}, None),
    Case("LychgateProviderSlow", slow("lychgate_provider_seconds", 'provider="okta"', soon="0+90x120", late="0+100x120",
         bound=2.5), {"provider": "okta"}),
    Case("LychgateProviderSlow", slow("lychgate_provider_seconds", 'provider="okta"', soon="0+96x120", late="0+100x120",
         bound=2.5), None),
    Case("LychgateProviderKeysGone", {'lychgate_provider_keys{provider="okta",instance="a"}': "0x120",
         f'{FETCHED}{{provider="okta",instance="a"}}': "100x120"}, {"provider": "okta", "instance": "a"}),
    # Before they were first needed there are none.
    Case("LychgateProviderKeysGone", {'lychgate_provider_keys{provider="okta",instance="a"}': "0x120"}, None),
    Case("LychgateClientSecretEnds", {f'{SECRET}{{provider="okta"}}': f"{29 * DAY}x120"}, {"provider": "okta"}),
    Case("LychgateClientSecretEnds", {f'{SECRET}{{provider="okta"}}': f"{31 * DAY}x120"}, None),
    Case("LychgateHooksFail", hooks("done", "0+50x120") | hooks("hook_failed", "0+10x120"),
         {"application": "jira", "hook": "directory"}),
    # A guard that holds somebody back has not failed.
    Case("LychgateHooksFail", hooks("done", "0+50x120") | hooks("pin_conflict", "0+40x120"), None),
    Case("LychgateAccountTokenRefused", {'lychgate_account_tokens_refused{application="jira"}': "1x120"},
         {"application": "jira"}),
    Case("LychgateAccountTokenRefused", {'lychgate_account_tokens_refused{application="jira"}': "0x120"}, None),
    Case("LychgateAccountTokenEnds", {f'{TOKEN}{{application="jira"}}': f"{29 * DAY}x120"}, {"application": "jira"}),
    Case("LychgateAccountTokenEnds", {f'{TOKEN}{{application="jira"}}': f"{31 * DAY}x120"}, None),
    Case("LychgateAccountTokenEndsSoon", {f'{TOKEN}{{application="jira"}}': f"{6 * DAY}x120"}, {"application": "jira"}),
    Case("LychgateAccountTokenEndsSoon", {f'{TOKEN}{{application="jira"}}': f"{8 * DAY}x120"}, None),
    Case("LychgateCertificateEnds", {'lychgate_certificate_expiry_timestamp_seconds{application="jira"}':
         f"{6 * DAY}x120"}, {"application": "jira"}),
    Case("LychgateCertificateEnds", {'lychgate_certificate_expiry_timestamp_seconds{application="jira"}':
         f"{8 * DAY}x120"}, None),
    Case("LychgateCertificateEnds", {'lychgate_landing_certificate_expiry_timestamp_seconds{listener="landing"}':
         f"{6 * DAY}x120"}, {"listener": "landing"}),
    Case("LychgateRemovalsFrozen", {'lychgate_removals_frozen{application="jira"}': "1x120"}, {"application": "jira"}),
    Case("LychgateRemovalsFrozen", {'lychgate_removals_frozen{application="jira"}': "0x120"}, None),
    Case("LychgateNoSeatLeft", {'lychgate_account_steps_total{application="jira",result="no_seat_left"}': "0x30 1x90"},
         {"application": "jira"}),
    # The counter appears with the first event.
    Case("LychgateNoSeatLeft", {'lychgate_account_steps_total{application="jira",result="no_seat_left"}': "_x50 1x70"},
         {"application": "jira"}),
    Case("LychgateNoSeatLeft", {'lychgate_account_steps_total{application="jira",result="no_seat_left"}': "3x240"},
         None, "200m"),
    Case("LychgateNoSeatLeft", {'lychgate_account_steps_total{application="jira",result="done"}': "0+1x120"}, None),
    Case("LychgateLedgerUnusable", {'lychgate_ledger_usable{application="jira"}': "0x120"}, {"application": "jira"}),
    Case("LychgateLedgerUnusable", {'lychgate_ledger_usable{application="jira"}': "1x120"}, None),
    Case("LychgateProbed", refused("bad_path", "0+120x120"), {"reason": "bad_path"}),
    Case("LychgateProbed", refused("bad_path", "0+6x120"), None),
    Case("LychgateIdentityHeaders", {'lychgate_stripped_requests_total{portal="staff"}': "0+120x120"},
         {"portal": "staff"}),
    Case("LychgateIdentityHeaders", {'lychgate_stripped_requests_total{portal="staff"}': "0+1x120"}, None),
    Case("LychgateDeniesMore", requests("forwarded", "0+100x2400") | requests("denied", "0+1x1500 1500+100x900"), {},
         "1600m"),
    Case("LychgateDeniesMore", requests("forwarded", "0+100x2400") | requests("denied", "0+30x2400"), None, "1600m"),
    Case("LychgateLandsSomebodyElse", {f'{EVENTS}{{application="jira",code="landing.mismatch"}}': "0x50 1x70"},
         {"application": "jira"}),
    Case("LychgateLandsSomebodyElse", {f'{EVENTS}{{application="jira",code="landing.mismatch"}}': "_x50 1x70"},
         {"application": "jira"}),
    Case("LychgateLandsSomebodyElse", {f'{EVENTS}{{application="jira",code="landing.mismatch"}}': "1x120"}, None),
    Case("LychgateLandsSomebodyElse", {f'{EVENTS}{{application="jira",code="login.success"}}': "0+9x120"}, None),
    Case("LychgateDoctorFindsErrors", {f'{FINDINGS}{{application="jira",check="landing",severity="error"}}': "1x120"},
         {"application": "jira", "check": "landing"}),
    Case("LychgateDoctorFindsErrors", {f'{FINDINGS}{{application="jira",check="landing",severity="warning"}}': "3x120"},
         None),
    Case("LychgateAuditFails", {'lychgate_audit_failing{sink="file"}': "1x120"}, {"sink": "file"}),
    Case("LychgateAuditFails", {'lychgate_audit_failing{sink="file"}': "0x120"}, None),
    Case("LychgateAuditLags", {'lychgate_audit_queue{sink="stdout"}': "4000x120"}, {"sink": "stdout"}),
    Case("LychgateAuditLags", {'lychgate_audit_queue{sink="stdout"}': "400x120"}, None),
    Case("LychgateAuditLoses", {'lychgate_audit_lost_total{sink="file"}': "0x50 7x70"}, {"sink": "file"}),
    Case("LychgateAuditLoses", {'lychgate_audit_lost_total{sink="file"}': "7x120"}, None),
]  # fmt: skip


def written(case: Case) -> dict[str, Any]:
    """The case in promtool's words."""
    rule = ALERTS[case.alert]
    expected = []
    if case.firing is not None:
        labels = {**rule["labels"], **case.firing}
        shown = {name: _filled(text, labels) for name, text in rule["annotations"].items()}
        expected = [{"exp_labels": labels, "exp_annotations": shown}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda name: labels.get(name[1], ""), text)


def promtool(*words: str) -> str:
    if PROMTOOL is None:
        pytest.skip("promtool is not there; Debian has it in the package prometheus")
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=240)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    assert "" == promtool("check", "rules", str(RULES))


def needed(alert: str) -> dict[str, Any]:
    """The alert with the recording rules that it asks: promtool works out every rule of a file for every minute."""
    recorded = [rule for rule in RECORDED if rule["record"] in ALERTS[alert]["expr"]]
    return {"groups": [{"name": "one", "rules": [*recorded, ALERTS[alert]]}]}


def test_an_alert_fires_where_it_should_and_nowhere_else(tmp_path: Path) -> None:
    """All of them in one run: promtool needs long to start."""
    files = []
    for alert in ALERTS:
        rules, file = tmp_path / f"{alert}.rules.yaml", tmp_path / f"{alert}.yaml"
        rules.write_text(yaml.safe_dump(needed(alert)), "utf-8")
        tests = [written(case) for case in CASES if case.alert == alert]
        file.write_text(
            yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}), "utf-8"
        )
        files.append(str(file))
    assert "" == promtool("test", "rules", *files)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires = {case.alert for case in CASES if case.firing is not None}
    silent = {case.alert for case in CASES if case.firing is None}
    assert (set(ALERTS), set(ALERTS)) == (fires, silent)


def test_every_alert_has_its_section_in_the_runbook_and_no_section_is_without_one() -> None:
    assert list(ALERTS) == re.findall(r"^## (Lychgate\w+)$", RUNBOOK, re.MULTILINE)
    for section in RUNBOOK.split("\n## ")[1:]:
        assert [] == [words for words in ("What people notice:", "Look at:", "Do:") if words not in section]


def test_every_metric_of_the_rules_is_one_of_ours() -> None:
    named = set(re.findall(r"\blychgate_\w+", RULES.read_text("utf-8")))
    known = set(re.findall(r"^\| `(lychgate_\w+)`", METRICS, re.MULTILINE))
    histograms = {f"{name}_{end}" for name in known for end in ("bucket", "count", "sum")}
    assert set() == named - known - histograms


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_it_means(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
    assert f"docs/runbook.md#{alert['alert'].lower()}" == alert["annotations"]["runbook_url"]


def test_the_twelve_indicators_have_their_alerts() -> None:
    rows = re.findall(r"^\| (\d+) \| .+? \| (.+) \|$", RUNBOOK, re.MULTILINE)
    named = {name for _, cell in rows for name in re.findall(r"Lychgate\w+", cell)}
    assert [str(number) for number in range(1, 13)] == [number for number, _ in rows]
    assert all("Lychgate" in cell for _, cell in rows)
    assert set() == named - set(ALERTS)


def test_the_chart_brings_the_same_rules() -> None:
    found = objects({"prometheusRule": {"enabled": True, "labels": {"release": "monitoring"}}})
    rule = found["PrometheusRule", "gate-lychgate"]
    assert yaml.safe_load(RULES.read_text("utf-8")) == rule["spec"]
    assert "monitoring" == rule["metadata"]["labels"]["release"]


def test_the_chart_says_where_the_runbook_is_read() -> None:
    found = objects({"prometheusRule": {"enabled": True, "runbook": "https://wiki.example.com/runbook"}})
    groups = found["PrometheusRule", "gate-lychgate"]["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    expected = [f"https://wiki.example.com/runbook#{name.lower()}" for name in ALERTS]
    assert expected == [alert["annotations"]["runbook_url"] for alert in alerts]
