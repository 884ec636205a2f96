"""What a board is made of: its queries in PromQL, its panels and its variables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from schemas.probe import NAME as PROBE

BY_TYPE = 'type=~"$type"'
BOTH = 'type=~"$type",authority=~"$authority"'
REAL = f'feed!="{PROBE}"'
"""Every feed but the synthetic child's, who is told of every minute and at once: she would be most of every figure."""

GOOD_IF_NONE = ((None, "green"), (1.0, "red"))
GOOD_IF_HIGH = ((None, "red"), (0.75, "orange"), (0.9, "green"))

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")


class Query(NamedTuple):
    """One target of a panel. `legend` is a column's name in a table."""

    legend: str
    expr: str


def quantile(q: float, histogram: str, chosen: str, by: str = "", window: str = "$__range") -> str:
    """PromQL: the value below which the share `q` of the histogram's observations in `window` lies, by a label."""
    levels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({levels}) (increase({histogram}_bucket{{{chosen}}}[{window}])))"


def count(histogram: str, chosen: str, by: str = "", window: str = "$__range") -> str:
    """PromQL: how many observations there were. Prometheus extrapolates, people come in whole numbers."""
    return f"round(sum by ({by}) (increase({histogram}_count{{{chosen}}}[{window}])))"


def growth(counter: str, chosen: str, by: str, window: str = "$__range") -> str:
    """PromQL: by how much a counter grew, by labels, in whole numbers."""
    return f"round(sum by ({by}) (increase({counter}{{{chosen}}}[{window}])))"


def share(histogram: str, target: str, chosen: str, by: str = "", window: str = "$__range") -> str:
    """PromQL: the share within `target`, a bucket's edge as Python writes it (`600.0`): exact, not interpolated."""
    within = f"{histogram}_bucket{{" + ",".join(filter(None, (chosen, f'le="{target}"'))) + "}"
    return (
        f"sum by ({by}) (increase({within}[{window}]))"
        f" / sum by ({by}) (increase({histogram}_count{{{chosen}}}[{window}]))"
    )


def now_each(gauge: str) -> str:
    """PromQL: a gauge by authority. It counts rows of the database, which two processes may both tell: take it once."""
    return f'max by (authority) ({gauge}{{authority=~"$authority"}})'


def now(gauge: str) -> str:
    """PromQL: a gauge over all the authorities chosen."""
    return f"sum({now_each(gauge)})"


def staged(parts: Sequence[tuple[str, str]]) -> str:
    """PromQL: several single figures as one answer, told apart by a label `stage` that is made here."""
    return " or ".join(f'label_replace({expr}, "stage", "{stage}", "", "")' for stage, expr in parts)


def targets(panel: Any, queries: Sequence[Query], *, instant: bool, interval: str | None = None) -> Any:
    """Give a panel its queries. The SDK leaves `refId` empty, and Grafana then shows only one of them."""
    panel.datasource(SOURCE)
    if interval:
        panel.interval(interval)
    for ref, query in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(SOURCE)
        if instant:
            target.instant().format(
                PromQueryFormat.TABLE if isinstance(panel, table.Panel) else PromQueryFormat.TIME_SERIES
            )
        else:
            target.range()
        panel.with_target(target)
    return panel


def steps(*edges: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colours from an edge upwards; the first edge is None."""
    thresholds = [model.Threshold(value=value, color=color) for value, color in edges]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)


def figure(title: str, why: str, expr: str, *, unit: str, edges: Sequence[tuple[float | None, str]], w: int = 4) -> Any:
    """One big number, as of now or over the time that the board shows."""
    panel = stat.Panel().title(title).description(why).unit(unit).height(5).span(w).no_value("not known")
    panel.thresholds(steps(*edges)).graph_mode(look.BigValueGraphMode.NONE).color_mode(
        look.BigValueColorMode.BACKGROUND
    )
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return targets(panel, [Query(title, expr)], instant=True)


def course(title: str, why: str, queries: Sequence[Query], *, unit: str, interval: str | None = None) -> Any:
    """Lines over time. Points are shown: at five pages a day a line alone would be empty."""
    panel = timeseries.Panel().title(title).description(why).unit(unit).height(8).span(12).min(0)
    panel.show_points(look.VisibilityMode.ALWAYS).fill_opacity(0).span_nulls(True)
    panel.tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING))
    legend = common.VizLegendOptions().display_mode(look.LegendDisplayMode.LIST).placement(look.LegendPlacement.BOTTOM)
    return targets(panel.legend(legend.show_legend(True)), queries, instant=False, interval=interval)


def figures(title: str, why: str, queries: Sequence[Query], *, first: str, units: dict[str, str], w: int = 24) -> Any:
    """A table of one row per value of the label `first`, one column per query."""
    panel = table.Panel().title(title).description(why).unit("s").height(8).span(w)
    renamed = {f"Value #{ref}": query.legend for ref, query in zip("ABCDEFGH", queries, strict=False)}
    order = {name: place for place, name in enumerate((first, *renamed))}
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=options))
    for column, unit in units.items():
        panel.override_by_name(column, [model.DynamicConfigValue(id_val="unit", value=unit)])
    return targets(panel, queries, instant=True)


def bars(panel: timeseries.Panel) -> timeseries.Panel:
    """Stacked: what was counted in each step."""
    panel.draw_style(look.GraphDrawStyle.BARS).fill_opacity(80)
    return panel.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL))


def begin(title: str, uid: str, why: str) -> dashboard.Dashboard:
    """A board of ours, still empty: a week of London's time, its variables, and nobody edits it in Grafana."""
    board = dashboard.Dashboard(title).uid(uid).description(why).tags(["nightlight"]).readonly()
    board.timezone("Europe/London").time("now-7d", "now").refresh("30s").week_start("monday")
    board.tooltip(model.DashboardCursorSync.CROSSHAIR)
    for variable in variables():
        board.with_variable(variable)
    return board


def fill(board: dashboard.Dashboard, panels: Sequence[Any]) -> dashboard.Dashboard:
    """Put rows and panels on a board, in their order."""
    for panel in panels:
        (board.with_row if isinstance(panel, dashboard.Row) else board.with_panel)(panel)
    return board


def variables() -> list[Any]:
    """Which Prometheus, which authorities, which types. `All` is `.*`: it matches what Prometheus has not seen yet."""
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    made: list[Any] = [source]
    for name, label in (("authority", "Authority"), ("type", "Type of event")):
        values = f"label_values(nightlight_received_to_sent_seconds_count, {name})"
        query: dict[str, object] = {"qryType": 1, "query": values, "refId": name}
        chosen = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
        chosen.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
        made.append(
            chosen.multi(True)
            .include_all(True)
            .all_value(".*")
            .current(model.VariableOption(selected=True, text="All", value="$__all"))
        )
    return made
