"""Each rule of supervision and of the kernel has a test. The table says which; a rule without one, or a name without a
test behind it, fails here.

R1–R5 specs, R6–R10 starts, R11–R17 restarts, R18–R23 stops, R24–R26 administration, R27–R34 signals, R35–R37 mailboxes,
names and refs, R38–R41 back-off; K the kernel; G the graph of components. docs/concepts/supervision.md tells them in words.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

ADMINISTRATION = "tests/unit/supervisor/test_administration.py"
TABLE = "tests/unit/supervisor/test_administration_table.py"
DEPENDENTS = "tests/property/test_dependents.py"
ENDS = "tests/unit/supervisor/test_starts_and_ends.py"
FAKE_CLOCK = "tests/unit/supervisor/test_on_a_fake_clock.py"
GRAPH = "tests/unit/supervisor/test_graph.py"
HOSTILE = "tests/unit/supervisor/test_hostile.py"
MATRIX = "tests/unit/supervisor/test_matrix.py"
PRE_EMPTION = "tests/unit/supervisor/test_pre_emption.py"
PROPERTY = "tests/property/test_supervision.py"
RECYCLE = "tests/unit/supervisor/test_recycle.py"
RESTARTS = "tests/unit/supervisor/test_restarts.py"
STOPS = "tests/unit/supervisor/test_stops.py"
SPECS = "tests/unit/supervisor/test_specs.py"
ASKS = "tests/unit/actors/test_asks.py"
DEADLINES = "tests/unit/actors/test_deadlines.py"
EXITS = "tests/unit/actors/test_exits.py"
FENCES = "tests/unit/actors/test_fences.py"
KERNEL_HOSTILE = "tests/unit/actors/test_hostile.py"
LEAKS = "tests/unit/actors/test_leaks.py"
LIFE = "tests/unit/actors/test_life.py"
LOOP = "tests/unit/actors/test_loop.py"
NAMES = "tests/unit/actors/test_waiting_for_a_name.py"
WATCHDOG = "tests/unit/actors/test_watchdog.py"
CANT_START = "tests/integration/node/test_cant_start.py"
GATEWAY = "tests/unit/transport/test_gateway.py"
FINDING = "tests/unit/plugins/test_finding.py"

RULES = {
    "R1": [f"{SPECS}::test_a_supervisor_child_has_all_the_time_it_needs_unless_told_otherwise"],
    "R2": [f"{SPECS}::test_there_is_no_silent_default_for_intensity_and_period"],
    "R3": [
        f"{SPECS}::test_each_fault_of_a_spec_has_an_error_that_names_field_and_value",
        f"{SPECS}::test_each_fault_of_the_flags_has_its_error_and_nothing_starts",
        f"{SPECS}::test_ids_are_unique",
    ],
    "R4": [
        f"{SPECS}::test_each_fault_of_a_spec_has_an_error_that_names_field_and_value",
        f"{ADMINISTRATION}::test_significant_dynamic_children_are_rejected",
    ],
    "R5": [f"{ADMINISTRATION}::test_arguments_of_temporary_children_are_not_retained"],
    "R6": [
        f"{RESTARTS}::test_children_start_in_list_order_and_stop_in_reverse",
        f"{PRE_EMPTION}::test_an_init_may_say_that_it_is_ready_and_what_is_worth_knowing",
        f"{LIFE}::test_init_runs_in_the_actors_own_context_not_in_the_callers",
    ],
    "R7": [f"{RESTARTS}::test_a_start_error_stops_those_that_are_up_in_reverse_and_is_raised_as_it_was"],
    "R8": [
        f"{RESTARTS}::test_an_ignored_child_keeps_its_spec_and_can_be_started_later_one_after_the_other",
        f"{RESTARTS}::test_an_ignored_temporary_child_is_dropped",
        f"{ADMINISTRATION}::test_dynamic_children_that_are_not_restarted_are_forgotten",
    ],
    "R9": [
        f"{ENDS}::test_a_child_is_linked_to_its_supervisor_before_its_first_instruction",
        f"{RESTARTS}::test_a_kill_of_the_supervisor_at_each_step_of_its_start_leaves_nothing",
    ],
    "R10": [f"{RESTARTS}::test_a_child_that_is_killed_while_it_starts_is_a_start_error_not_a_restart"],
    "R11": [
        f"{MATRIX}::test_the_matrix_of_restart_type_exit_reason_and_kind_of_supervisor",
        f"{PROPERTY}::test_who_is_restarted_is_otps_table",
    ],
    "R12": [
        f"{RESTARTS}::test_an_incident_counts_one_however_many_follow",
        f"{RESTARTS}::test_failed_retries_count_and_lead_to_escalation",
    ],
    "R13": [
        f"{RESTARTS}::test_one_incident_too_many_stops_all_in_reverse_and_ends_with_shutdown",
        f"{RESTARTS}::test_a_nested_supervisor_that_gave_up_is_restarted_by_its_parent",
        f"{PROPERTY}::test_the_window_counts_what_counting_everything_would",
        f"{FAKE_CLOCK}::test_the_quota_comes_back_when_the_period_is_over",
    ],
    "R14": [
        f"{ADMINISTRATION}::test_terminate_cancels_a_pending_restart",
        f"{STOPS}::test_endless_failing_restarts_leave_the_supervisor_answering_and_stoppable",
        f"{STOPS}::test_a_shutdown_ends_endless_failing_restarts",
    ],
    "R15": [
        f"{MATRIX}::test_the_matrix_of_restart_type_exit_reason_and_kind_of_supervisor",
        f"{PROPERTY}::test_dependents_are_those_from_whom_a_path_leads_to_the_failed_one",
        f"{DEPENDENTS}::test_who_stops_and_who_starts_is_what_trying_every_path_says",
        f"{PROPERTY}::test_otps_strategies_are_slices_of_the_order",
        f"{ENDS}::test_temporary_bystanders_are_stopped_in_their_place_and_not_restarted",
    ],
    "R16": [
        f"{RESTARTS}::test_a_sibling_that_fails_during_a_group_restart_is_retried",
        f"{PROPERTY}::test_a_retry_covers_the_rest_of_the_group_and_nobody_waits_without_a_reason",
    ],
    "R17": [
        f"{STOPS}::test_the_exit_of_a_stranger_is_ignored",
        f"{ENDS}::test_a_supervisor_whose_parent_ends_ends_with_all_its_children",
    ],
    "R18": [
        f"{RESTARTS}::test_children_start_in_list_order_and_stop_in_reverse",
        f"{PROPERTY}::test_children_stop_in_the_reverse_of_the_order_in_which_they_started",
    ],
    "R19": [
        f"{ENDS}::test_the_three_ways_to_stop_end_for_the_reason_that_was_asked_for",
        f"{ENDS}::test_infinity_waits_as_long_as_it_takes",
        f"{STOPS}::test_a_child_that_ignores_its_stop_is_killed_when_its_time_is_up",
        f"{STOPS}::test_brutal_kill_asks_nothing",
    ],
    "R20": [
        f"{STOPS}::test_a_child_that_unlinked_itself_can_neither_hang_its_supervisor_nor_die_unseen",
        f"{HOSTILE}::test_one_that_unlinked_itself_is_stopped_and_seen",
    ],
    "R21": [f"{STOPS}::test_a_child_that_crashes_while_stopping_is_reported_and_the_stop_goes_on"],
    "R22": [
        f"{ADMINISTRATION}::test_dynamic_children_stop_in_parallel_under_one_timer",
        f"{PROPERTY}::test_those_who_stop_together_have_the_longest_of_their_times_and_infinity_is_never_killed",
    ],
    "R23": [f"{PRE_EMPTION}::test_a_shutdown_pre_empts_whatever_the_supervisor_does"],
    "R24": [
        f"{TABLE}::test_the_table_of_operation_state_of_the_child_and_kind_of_supervisor",
        f"{ADMINISTRATION}::test_counts_tell_specs_active_supervisors_and_workers",
        f"{ADMINISTRATION}::test_a_bound_on_children_is_kept",
    ],
    "R25": [f"{ENDS}::test_no_administration_sets_off_an_automatic_shutdown"],
    "R26": [
        f"{ENDS}::test_a_significant_child_takes_its_supervisor_along_when_it_ends_by_itself_for_good",
        f"{ENDS}::test_an_end_that_a_sibling_caused_sets_off_no_automatic_shutdown",
        f"{RESTARTS}::test_all_significant_waits_for_the_last_one_and_ends_by_the_api_do_not_count",
    ],
    "R27": [
        f"{EXITS}::test_only_normal_and_shutdown_are_ends_in_good_order",
        f"{EXITS}::test_a_crash_is_data_that_keeps_no_frame_of_the_dead_alive",
    ],
    "R28": [f"{LIFE}::test_kill_cannot_be_trapped_and_peers_see_killed"],
    "R29": [f"{EXITS}::test_normal_from_another_is_ignored_unless_it_traps"],
    "R30": [
        f"{LIFE}::test_trapping_turns_the_end_of_a_linked_actor_into_a_message",
        f"{EXITS}::test_the_table_of_exit_signals_is_erlangs_with_the_parent_before_it",
    ],
    "R31": [
        f"{LIFE}::test_linking_to_the_dead_is_an_exit_with_noproc",
        f"{LIFE}::test_monitoring_the_dead_or_nobody_is_a_down_with_noproc_at_once",
    ],
    "R32": [f"{LIFE}::test_monitors_are_one_way_and_stackable"],
    "R33": [f"{EXITS}::test_nothing_arrives_after_demonitor_or_unlink_even_where_the_news_were_on_their_way"],
    "R34": [
        f"{EXITS}::test_messages_of_one_sender_keep_their_order_and_its_exit_signal_overtakes_them",
        f"{LOOP}::test_a_flooded_actor_can_be_stopped",
        f"{HOSTILE}::test_a_flooded_supervisor_and_a_flooded_child_can_be_stopped",
    ],
    "R35": [
        f"{EXITS}::test_a_restart_is_a_new_incarnation_with_an_empty_mailbox",
        f"{ASKS}::test_tells_that_wait_in_the_mailbox_become_counted_dead_letters",
        f"{HOSTILE}::test_what_a_crashed_child_had_not_handled_is_not_its_successors_business",
    ],
    "R36": [
        f"{LIFE}::test_a_name_is_free_before_anybody_hears_of_the_end",
        f"{EXITS}::test_a_name_is_taken_before_init_runs",
        f"{LIFE}::test_a_taken_name_is_refused_and_names_its_bearer",
        f"{HOSTILE}::test_a_name_is_taken_again_after_each_way_to_die",
    ],
    "R37": [
        f"{ASKS}::test_a_name_ref_finds_whoever_bears_the_name_now",
        f"{NAMES}::test_an_ask_that_meets_a_bearer_on_its_way_out_is_kept_for_the_next_one",
    ],
    "R38": [
        f"{FAKE_CLOCK}::test_the_first_restart_comes_at_once_and_then_the_wait_doubles_up_to_its_bound",
        f"{FAKE_CLOCK}::test_a_child_that_was_up_long_enough_starts_anew",
        f"{FAKE_CLOCK}::test_jitter_stays_within_its_share",
        f"{PROPERTY}::test_a_delay_stays_within_its_bounds_and_the_first_restart_comes_at_once",
    ],
    "R39": [
        f"{RESTARTS}::test_a_failed_restart_waits_as_restarting_while_its_dependents_wait_and_others_stay",
        f"{FAKE_CLOCK}::test_a_parked_child_is_tried_again_at_its_slow_pace_and_those_that_wait_use_no_quota",
    ],
    "R40": [
        f"{RESTARTS}::test_an_exhausted_optional_component_is_parked_and_uses_no_quota",
        f"{CANT_START}::test_an_optional_component_is_parked_and_the_node_says_that_it_is_degraded",
    ],
    "R41": [f"{ENDS}::test_an_outside_service_that_is_away_is_no_crash_where_it_is_connected_to_after_init"],
    "K1": [
        f"{ASKS}::test_an_exception_in_an_ask_reaches_the_asker_and_ends_the_actor",
        f"{ASKS}::test_a_refusal_is_only_an_answer",
        f"{KERNEL_HOSTILE}::test_whatever_is_raised_anywhere_ends_that_actor_and_nobody_else",
    ],
    "K2": [
        f"{FENCES}::test_what_a_killed_actors_code_still_does_is_refused",
        f"{WATCHDOG}::test_too_many_zombies_are_reported_by_name",
        f"{WATCHDOG}::test_a_killed_actor_that_holds_the_shared_loop_is_reported_at_once",
    ],
    "K3": [f"{WATCHDOG}::test_a_stuck_loop_is_logged_once_with_its_stack_and_then_reported_once"],
    "K4": [
        f"{DEADLINES}::test_every_ask_ends_in_its_deadline_while_its_target_is_killed_stopped_crashed_and_restarted"
    ],
    "K5": [
        f"{LEAKS}::test_a_thousand_restarts_leave_no_thread_descriptor_socket_cell_timer_or_table_entry",
        f"{LEAKS}::test_the_eventfd_is_closed_by_its_last_owner_never_by_the_loop",
    ],
    "K6": [
        f"{GATEWAY}::test_a_remote_actor_is_asked_as_a_local_one",
        f"{GATEWAY}::test_refs_travel_as_addresses_and_lead_back_home",
        f"{GATEWAY}::test_a_remote_ref_is_opened_from_a_pickle",
    ],
    "K7": [f"{GATEWAY}::test_the_end_of_a_node_is_told_to_everybody_who_counted_on_it"],
    "G1": [
        f"{GRAPH}::test_components_come_after_what_they_need_with_the_id_as_tie_break",
        f"{GRAPH}::test_a_missing_requirement_names_who_wants_what",
        f"{GRAPH}::test_a_cycle_is_an_error_with_its_path",
        f"{GRAPH}::test_disabled_components_are_not_there",
        f"{GRAPH}::test_the_graph_tells_components_in_start_order_edges_and_what_was_dropped",
        f"{PROPERTY}::test_a_graph_is_sorted_exactly_if_some_permutation_of_it_would_do",
    ],
    "G2": [f"{GRAPH}::test_an_actor_gets_its_own_keywords_and_one_ref_for_each_capability_it_declared"],
    "G3": [
        f"{DEPENDENTS}::test_who_stops_and_who_starts_is_what_trying_every_path_says",
        f"{RESTARTS}::test_dependents_that_rebind_stay_up_and_are_told",
        f"{RECYCLE}::test_terminating_takes_the_dependents_along_which_wait_and_come_back_with_it",
    ],
    "G4": [
        f"{CANT_START}::test_a_component_that_fails_at_boot_undoes_the_boot_and_is_named",
        f"{CANT_START}::test_a_required_component_ends_the_node_with_the_chain_of_causes",
    ],
    "G5": [
        f"{GRAPH}::test_two_providers_of_one_capability_are_an_error",
        f"{GRAPH}::test_a_replacement_that_lacks_methods_is_named_with_its_origin_and_each_of_them",
        f"{FINDING}::test_plugins_come_in_the_order_of_names_wherever_they_are_from",
        f"{FINDING}::test_every_way_to_disable_a_plugin",
    ],
}


@functools.cache
def names_in(path):
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not is_skipped(node)}


def is_skipped(function):
    return any("skip" in ast.unparse(mark) or "xfail" in ast.unparse(mark) for mark in function.decorator_list)


@pytest.mark.parametrize(
    "rule", [f"R{n}" for n in range(1, 42)] + [f"K{n}" for n in range(1, 8)] + [f"G{n}" for n in range(1, 6)]
)
def test_each_rule_has_a_test(rule):
    assert RULES.get(rule), f"expected a test of {rule}"
    for place in RULES[rule]:
        path, _, name = place.partition("::")
        assert name in names_in(path), f"expected {rule} to be tested by {name} in {path}"
