//! The promises of the ports, as checks that every implementation must pass.
//!
//! A law takes a fresh world and panics when the world breaks it. [`crate::laws!`] makes one test of each:
//!
//! ```text
//! ports::laws! { fresh: || (Store::open(…), directory), run: ports::steps::complete }
//! ```
//!
//! `fresh` answers the world and whatever must outlive it. The world keeps at least one shard, knows no organisation,
//! and tells the machine's time.

pub mod amendments;
pub mod books;
pub mod counting;
pub mod door;
pub mod event_log;
pub mod forming;
pub mod heads;
pub mod keeping;
pub mod leases;
pub mod log;
mod moments;
pub mod outbox;
pub mod projections;
pub mod reading;
pub mod rescue;
mod sample;
pub mod sweeps;
pub mod understanding;
pub mod watches;

use crate::PortResult;

/// Makes one test of each law: of all of them, or of the groups named after `of`.
///
/// The groups `exact_door` and `exact_books` are for a world whose door knows every id that it ever took. Where the door
/// knows only what is staged, `staged_door` is all that it promises, and `counted_books` takes the place of the books.
#[macro_export]
macro_rules! laws {
    (fresh: $fresh:expr, run: $run:expr $(,)?) => {
        $crate::laws! { fresh: $fresh, run: $run, of:
            log door staged_door exact_door rescue leases forming outbox counting keeping reading books exact_books
            event_log heads sessions amendments notices understanding projections rules watches
        }
    };
    (fresh: $fresh:expr, run: $run:expr, of: $($port:ident)*) => {
        $($crate::laws! { @ $port $fresh, $run })*
    };
    (@ log $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, log, log {
            records_of_one_key_share_a_shard_and_keep_their_order,
            a_record_is_read_as_it_was_appended,
            reading_changes_nothing_and_goes_on_after_a_sequence_number,
            appending_again_appends_again,
            shards_come_in_a_stable_order,
            a_checkpoint_never_moves_back,
            checkpoints_of_consumers_and_shards_are_apart,
            a_given_up_invocation_is_kept_once_and_as_it_was,
            given_up_invocations_come_oldest_first,
        } }
    };
    (@ door $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, door, door {
            a_submission_is_durable_and_answered_as_proposed,
            an_idempotency_key_gets_its_answer_again_and_guards_its_body,
            one_tenant_does_not_use_up_the_ids_of_another,
            staging_twice_is_staging_once,
            staging_another_body_is_a_collision_that_travels_on,
            a_staged_row_is_read_as_it_was_staged_and_told_to_the_stream,
            whoever_has_work_is_listed_once,
        } }
    };
    (@ rescue $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, rescue, rescue {
            a_row_that_ttl_removed_is_put_back_with_its_new_ttl,
            a_row_that_is_staged_batched_or_settled_is_left_alone,
            a_row_past_its_last_rescue_is_parked,
        } }
    };
    (@ leases $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, leases, leases {
            an_organisation_has_one_holder,
            every_grant_raises_the_fence,
            renewing_extends_unless_the_lease_was_lost,
            releasing_hands_the_breaker_on_unless_the_lease_was_lost,
            organisations_are_leased_apart,
        } }
    };
    (@ forming $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, forming, forming {
            staged_rows_come_in_order_once_they_have_settled,
            a_backlog_is_formed_completely_and_each_event_once,
            rows_past_their_ttl_are_still_formed,
            forming_moves_rows_into_a_numbered_batch,
            a_missing_row_makes_the_whole_batch_stale,
            forming_again_forms_nothing,
            a_lost_lease_forms_nothing,
            dropped_rows_leave_staging,
        } }
    };
    (@ outbox $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, outbox, outbox {
            batches_come_in_order_and_as_they_were_made,
            a_delivered_batch_is_gone_and_settling_again_changes_nothing,
            delivered_stays_true_without_the_lease,
            whatever_needs_the_lease_is_refused_without_it,
            a_retry_waits_and_counts_its_attempts,
            a_split_batch_is_replaced_by_its_parts_in_order,
            a_partial_settlement_leaves_the_remainder,
            parked_events_are_listed_by_time_oldest_first,
            unparking_makes_a_batch_at_the_end,
            what_is_not_parked_cannot_be_unparked,
        } }
    };
    (@ counting $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, counting, counting {
            a_chunk_commits_markers_counters_and_names_together,
            committing_again_is_stale_and_changes_nothing,
            one_known_marker_keeps_the_whole_chunk_out,
            a_dictionary_that_has_grown_keeps_the_chunk_out,
            markers_of_tenants_are_apart,
            an_event_of_thirty_days_ago_is_still_known,
            counters_are_read_by_hour_and_tenant,
            any_chunks_count_each_event_once,
        } }
    };
    (@ keeping $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, keeping, keeping {
            an_object_is_read_as_it_was_written,
            writing_a_key_again_keeps_one_object,
            keys_are_listed_by_prefix_in_order,
            a_record_is_set_aside_once_and_as_it_was,
            set_aside_records_are_found_by_tenant_and_time,
            a_released_record_goes_its_way_once,
        } }
    };
    (@ reading $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, reading, reading {
            an_organisation_is_created_once_and_listed_by_name,
            assignments_come_in_the_order_of_the_question,
            a_later_assignment_replaces_an_earlier_one,
            a_key_is_found_as_it_was_put_revoked_or_not,
            keys_are_listed_oldest_first,
            pseudonyms_are_stable_and_apart_by_organisation,
            an_unknown_organisation_has_no_pseudonyms,
            the_seal_key_opens_what_it_sealed,
            an_announcement_may_be_repeated,
            an_event_is_found_at_every_station,
        } }
    };
    (@ books $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, books, books {
            reading_the_books_changes_nothing,
        } }
    };
    (@ staged_door $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, staged_door, door {
            a_staged_event_that_comes_again_is_a_duplicate,
            another_body_under_a_staged_id_is_refused_and_travels_on,
            of_two_bodies_in_a_request_the_first_wins,
        } }
    };
    (@ exact_door $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, exact_door, door {
            a_repeated_event_is_a_duplicate_and_is_not_written_again,
            another_body_under_a_known_id_is_refused_and_travels_on,
        } }
    };
    (@ exact_books $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, exact_books, books {
            the_ledger_says_what_happened,
            a_released_record_is_accepted_where_it_goes,
        } }
    };
    (@ counted_books $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, counted_books, books {
            the_ledger_says_what_was_counted,
            an_event_that_ends_set_aside_is_booked_there_once,
            an_event_that_is_set_aside_and_goes_on_is_booked_as_going_on,
        } }
    };
    (@ event_log $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, event_log, event_log {
            an_event_is_logged_once_and_its_first_body_stays,
            what_is_struck_out_is_not_read_whenever_it_comes,
            whoever_loses_an_event_is_looked_at_again,
            an_event_is_read_as_it_was_logged,
            events_come_in_order_from_a_position,
            a_long_log_is_read_to_its_end,
            owners_have_logs_of_their_own,
        } }
    };
    (@ heads $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, heads, heads {
            arming_raises_the_version_and_only_lowers_times,
            owners_are_armed_apart_and_together,
            a_head_with_nothing_to_do_is_armed_as_given,
            an_owner_that_was_not_armed_has_no_head,
            whoever_is_due_comes_most_overdue_first,
            lanes_share_out_owners_for_every_power_of_two,
        } }
    };
    (@ sessions $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, sessions, sweeps {
            a_sweep_commits_everything_together,
            a_stale_sweep_writes_nothing,
            a_repeated_sweep_is_stale_and_changes_nothing,
            of_two_sweeps_of_one_version_one_commits,
            what_is_stored_is_read_from_its_end_on,
            what_is_said_again_replaces_what_was_said,
            a_large_sweep_commits,
            cells_add_up_and_go_when_they_are_empty,
            any_sweeps_add_up,
            what_is_committed_is_stored_before_it_is_posted,
            posting_again_changes_nothing,
            lanes_together_post_everything,
        } }
    };
    (@ amendments $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, amendments, amendments {
            an_amendment_is_made_once_for_each_name,
            products_are_listed_by_the_days_of_their_cells,
        } }
    };
    (@ notices $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, notices, sweeps {
            notices_wait_until_they_are_sent_in_order,
            notices_of_owners_keep_their_own_order,
            whatever_a_sweep_tells_can_be_sent,
        } }
    };
    (@ understanding $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, understanding, understanding {
            sessions_come_newest_first_page_by_page,
            sessions_are_found_by_when_they_began_and_by_product,
            a_superseded_session_is_found_by_its_id_alone,
            tenants_see_their_own,
            incidents_come_newest_first_by_rule_and_session,
            a_retracted_incident_is_not_found,
            an_incident_is_found_in_the_session_it_moved_to,
            cells_are_read_by_kind_day_and_product,
            totals_are_what_the_cells_of_a_name_add_up_to,
        } }
    };
    (@ projections $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, projections, projections {
            a_projection_is_saved_over_the_version_that_was_loaded,
            a_stale_projection_is_not_saved,
            a_context_is_found_by_its_session,
            projections_are_kept_apart,
        } }
    };
    (@ rules $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, rules, projections {
            rules_are_read_as_they_were_put,
            rules_are_put_under_a_higher_version_alone,
        } }
    };
    (@ watches $fresh:expr, $run:expr) => {
        $crate::laws! { @@ $fresh, $run, watches, watches {
            a_watch_is_kept_until_it_is_forgotten,
            owners_are_watched_apart,
            nobody_is_watched_for_ever,
            a_turn_keeps_what_was_told,
            of_two_that_tell_one_leaves_a_note,
            a_turn_that_nobody_ends_is_taken_over,
            there_is_no_turn_where_nobody_listens,
        } }
    };
    (@@ $fresh:expr, $run:expr, $group:ident, $home:ident { $($law:ident,)* }) => {
        mod $group {
            #[allow(unused_imports, clippy::allow_attributes, reason = "`fresh` and `run` may be paths")]
            use super::*;

            $(#[test]
            fn $law() {
                let (world, _kept) = ($fresh)();
                ($run)($crate::laws::$home::$law(world));
            })*
        }
    };
}

/// A port that fails breaks every law.
fn ok<T>(answer: PortResult<T>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// What a law needs to be there.
fn there<T>(value: Option<T>, what: &str) -> T {
    match value {
        Some(value) => value,
        None => panic!("{what} is missing"),
    }
}
