CREATE SEQUENCE exclusions_versions;

CREATE SEQUENCE children_versions;

CREATE TABLE agencies (
    agency TEXT NOT NULL,
    sources TEXT[] NOT NULL,
    types TEXT[] NOT NULL,
    authorities TEXT[] NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE,
    agreement TEXT,
    agreement_starts DATE,
    agreement_ends DATE,
    CONSTRAINT pk_agencies PRIMARY KEY (agency),
    CONSTRAINT ck_agencies_agreement_has_a_start CHECK ((agreement IS NULL) = (agreement_starts IS NULL)),
    CONSTRAINT ck_agencies_agreement_has_an_end CHECK ((agreement IS NULL) = (agreement_ends IS NULL)),
    CONSTRAINT ck_agencies_agreement_has_a_length CHECK (agreement_starts <= agreement_ends)
);

CREATE TABLE audit (
    entry BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    what TEXT NOT NULL,
    who TEXT NOT NULL,
    about TEXT NOT NULL,
    detail JSONB NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (entry),
    CONSTRAINT uq_audit_hash UNIQUE (hash)
);

CREATE INDEX ix_audit_about ON audit (about);

CREATE TABLE children (
    child TEXT NOT NULL,
    authority TEXT NOT NULL,
    team TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    starts_on DATE NOT NULL,
    review_on DATE NOT NULL,
    expires_on DATE NOT NULL,
    version BIGINT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_children PRIMARY KEY (child),
    CONSTRAINT ck_children_review_before_expiry CHECK (review_on <= expires_on),
    CONSTRAINT uq_children_version UNIQUE (version)
);

CREATE INDEX ix_children_authority ON children (authority);

CREATE INDEX ix_children_expires_on ON children (expires_on);

CREATE INDEX ix_children_review_on ON children (review_on);

CREATE INDEX ix_children_team ON children (team);

CREATE TABLE children_changes (
    version BIGSERIAL NOT NULL,
    child TEXT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_children_changes PRIMARY KEY (version)
);

CREATE TABLE dead_letters (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    lane TEXT NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    buried_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (topic, partition, "offset", lane)
);

CREATE TABLE drill_schedules (
    team TEXT NOT NULL,
    every_days INTEGER NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_drill_schedules PRIMARY KEY (team)
);

CREATE TABLE exclusions (
    child TEXT NOT NULL,
    mark TEXT NOT NULL,
    unless TEXT[] NOT NULL,
    event_key TEXT NOT NULL,
    version BIGINT NOT NULL,
    excluded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    excluded_by TEXT NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_exclusions PRIMARY KEY (child, mark),
    CONSTRAINT uq_exclusions_version UNIQUE (version)
);

CREATE INDEX ix_exclusions_event_key ON exclusions (event_key);

CREATE TABLE held_follow_ups (
    event_key TEXT NOT NULL,
    about TEXT NOT NULL,
    type TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome TEXT NOT NULL,
    held_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_held_follow_ups PRIMARY KEY (event_key),
    CONSTRAINT ck_held_follow_ups_outcome_known CHECK (outcome IN ('paged', 'joined', 'review', 'not-watched', 'test', 'cancelled', 'dead-letter', 'noted'))
);

CREATE INDEX ix_held_follow_ups_about ON held_follow_ups (about);

CREATE INDEX ix_held_follow_ups_held_at ON held_follow_ups (held_at);

CREATE TABLE inbox_files (
    file TEXT NOT NULL,
    taken INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_inbox_files PRIMARY KEY (file)
);

CREATE INDEX ix_inbox_files_at ON inbox_files (at);

CREATE TABLE matches (
    match BIGINT GENERATED ALWAYS AS IDENTITY,
    event_key TEXT NOT NULL,
    child TEXT NOT NULL,
    decision TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    probability FLOAT,
    weight FLOAT,
    why JSONB NOT NULL,
    model TEXT NOT NULL,
    list_version BIGINT NOT NULL,
    marks TEXT[] NOT NULL,
    reason TEXT,
    CONSTRAINT pk_matches PRIMARY KEY (match),
    CONSTRAINT ck_matches_decision_known CHECK (decision IN ('same', 'possible', 'different', 'late')),
    CONSTRAINT ck_matches_a_person_says_why CHECK (decided_by = 'auto' OR reason IS NOT NULL)
);

CREATE INDEX ix_matches_child ON matches (child);

CREATE INDEX ix_matches_event_key ON matches (event_key);

CREATE TABLE moments (
    moment UUID NOT NULL,
    child TEXT NOT NULL,
    authority TEXT NOT NULL,
    team TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    window_ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    left_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_moments PRIMARY KEY (moment),
    CONSTRAINT ck_moments_state_known CHECK (state IN ('open', 'closed', 'withdrawn', 'expired')),
    CONSTRAINT ck_moments_ended_has_a_time CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT ck_moments_window_is_ahead CHECK (opened_at < window_ends_at)
);

CREATE INDEX ix_moments_authority_state ON moments (authority, state);

CREATE UNIQUE INDEX ux_moments_one_open_for_a_child ON moments (child) WHERE state = 'open';

CREATE TABLE outcomes (
    event_key TEXT NOT NULL,
    outcome TEXT NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_outcomes PRIMARY KEY (event_key),
    CONSTRAINT ck_outcomes_outcome_known CHECK (outcome IN ('paged', 'joined', 'review', 'not-watched', 'test', 'cancelled', 'dead-letter', 'noted'))
);

CREATE INDEX ix_outcomes_decided_at ON outcomes (decided_at);

CREATE TABLE probes (
    event_key TEXT NOT NULL,
    page UUID NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    came_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_probes PRIMARY KEY (event_key)
);

CREATE INDEX ix_probes_came_at ON probes (came_at);

CREATE TABLE provider_changes (
    change INTEGER GENERATED BY DEFAULT AS IDENTITY,
    channel TEXT NOT NULL,
    provider TEXT NOT NULL,
    was INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_provider_changes PRIMARY KEY (change)
);

CREATE INDEX ix_provider_changes_at ON provider_changes (at);

CREATE TABLE providers (
    channel TEXT NOT NULL,
    provider TEXT NOT NULL,
    weight INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    faulted_at TIMESTAMP WITH TIME ZONE,
    changed_at TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    CONSTRAINT pk_providers PRIMARY KEY (channel, provider),
    CONSTRAINT ck_providers_channel_known CHECK (channel IN ('sms', 'voice', 'email', 'webhook')),
    CONSTRAINT ck_providers_weight_is_of_a_hundred CHECK (weight BETWEEN 0 AND 100)
);

CREATE TABLE receipts (
    receipt INTEGER GENERATED BY DEFAULT AS IDENTITY,
    provider TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    attempt UUID,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_receipts PRIMARY KEY (receipt),
    CONSTRAINT uq_receipts_provider_provider_id_status UNIQUE (provider, provider_id, status)
);

CREATE INDEX ix_receipts_attempt ON receipts (attempt);

CREATE INDEX ix_receipts_provider_id ON receipts (provider_id);

CREATE TABLE replies (
    provider TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    person TEXT,
    body BYTEA NOT NULL,
    understood_as TEXT NOT NULL,
    page UUID,
    answer TEXT,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_replies PRIMARY KEY (provider, provider_id)
);

CREATE TABLE responders (
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    mobile TEXT NOT NULL,
    email TEXT,
    teams TEXT[] NOT NULL,
    stopped_at TIMESTAMP WITH TIME ZONE,
    mobile_since TIMESTAMP WITH TIME ZONE,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_responders PRIMARY KEY (person),
    CONSTRAINT uq_responders_mobile UNIQUE (mobile) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_responders_mobile_is_e164 CHECK (mobile ~ '^\+[1-9][0-9]{6,14}$')
);

CREATE TABLE reviews (
    event_key TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    corrects TEXT,
    type TEXT NOT NULL,
    feed TEXT NOT NULL,
    authority TEXT NOT NULL,
    team TEXT NOT NULL,
    fact BYTEA NOT NULL,
    person BYTEA NOT NULL,
    decision JSONB NOT NULL,
    lane TEXT NOT NULL,
    list_version BIGINT DEFAULT 0 NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    pages_at TIMESTAMP WITH TIME ZONE,
    rejected TEXT[] DEFAULT '{}' NOT NULL,
    asked_teams TEXT[] DEFAULT '{}' NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    child TEXT,
    reason TEXT,
    CONSTRAINT pk_reviews PRIMARY KEY (event_key),
    CONSTRAINT ck_reviews_lane_known CHECK (lane IN ('page', 'review', 'none')),
    CONSTRAINT ck_reviews_state_known CHECK (state IN ('open', 'same', 'different', 'withdrawn', 'expired')),
    CONSTRAINT ck_reviews_decided_has_a_time CHECK ((state = 'open') = (decided_at IS NULL)),
    CONSTRAINT ck_reviews_the_same_as_somebody CHECK ((state = 'same') = (child IS NOT NULL))
);

CREATE INDEX ix_reviews_corrects ON reviews (corrects);

CREATE INDEX ix_reviews_open ON reviews (authority) WHERE state = 'open';

CREATE INDEX ix_reviews_subject_key ON reviews (subject_key);

CREATE TABLE scans (
    child TEXT NOT NULL,
    version BIGINT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    held_by TEXT,
    held_until TIMESTAMP WITH TIME ZONE,
    tries INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_scans PRIMARY KEY (child)
);

CREATE INDEX ix_scans_asked_at ON scans (asked_at);

CREATE TABLE steps (
    team TEXT NOT NULL,
    step INTEGER NOT NULL,
    role TEXT NOT NULL,
    channels TEXT[] NOT NULL,
    wait_seconds FLOAT NOT NULL,
    CONSTRAINT pk_steps PRIMARY KEY (team, step),
    CONSTRAINT ck_steps_role_known CHECK (role IN ('primary', 'backup', 'manager')),
    CONSTRAINT ck_steps_usable CHECK (wait_seconds > 0 AND step >= 1 AND cardinality(channels) >= 1)
);

CREATE TABLE visits (
    visit TEXT NOT NULL,
    state BYTEA NOT NULL,
    heard_at TIMESTAMP WITH TIME ZONE NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    writer TEXT NOT NULL,
    CONSTRAINT pk_visits PRIMARY KEY (visit)
);

CREATE INDEX ix_visits_heard_at ON visits (heard_at);

CREATE INDEX ix_visits_written_at ON visits (written_at);

CREATE TABLE accounts (
    person TEXT NOT NULL,
    password TEXT NOT NULL,
    totp BYTEA NOT NULL,
    totp_step INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (person),
    CONSTRAINT fk_accounts_person FOREIGN KEY(person) REFERENCES responders (person) ON DELETE CASCADE
);

CREATE TABLE agency_keys (
    prefix TEXT NOT NULL,
    agency TEXT NOT NULL,
    digest BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_agency_keys PRIMARY KEY (prefix),
    CONSTRAINT fk_agency_keys_agency FOREIGN KEY(agency) REFERENCES agencies (agency),
    CONSTRAINT uq_agency_keys_digest UNIQUE (digest)
);

CREATE INDEX ix_agency_keys_agency ON agency_keys (agency);

CREATE TABLE duties (
    team TEXT NOT NULL,
    person TEXT NOT NULL,
    role TEXT NOT NULL,
    starts TIMESTAMP WITH TIME ZONE NOT NULL,
    ends TIMESTAMP WITH TIME ZONE NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    reported_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_duties PRIMARY KEY (team, person, role, starts),
    CONSTRAINT fk_duties_person FOREIGN KEY(person) REFERENCES responders (person)
);

CREATE TABLE facts (
    event_key TEXT NOT NULL,
    moment UUID NOT NULL,
    subject_key TEXT NOT NULL,
    corrects TEXT,
    type TEXT NOT NULL,
    feed TEXT NOT NULL,
    authority TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    matched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE NOT NULL,
    details BYTEA NOT NULL,
    decision JSONB NOT NULL,
    outcome TEXT NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_facts PRIMARY KEY (event_key, moment),
    CONSTRAINT ck_facts_outcome_known CHECK (outcome IN ('paged', 'joined', 'review', 'not-watched', 'test', 'cancelled', 'dead-letter', 'noted')),
    CONSTRAINT fk_facts_moment FOREIGN KEY(moment) REFERENCES moments (moment)
);

CREATE INDEX ix_facts_corrects ON facts (corrects);

CREATE INDEX ix_facts_moment ON facts (moment);

CREATE INDEX ix_facts_subject_key ON facts (subject_key);

CREATE TABLE feed_hours (
    agency TEXT NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    unusable INTEGER NOT NULL,
    late_seconds DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_feed_hours PRIMARY KEY (agency, hour),
    CONSTRAINT ck_feed_hours_counts CHECK (accepted >= 0 AND refused >= 0 AND unusable >= 0 AND late_seconds >= 0),
    CONSTRAINT fk_feed_hours_agency FOREIGN KEY(agency) REFERENCES agencies (agency)
);

CREATE TABLE hl7_senders (
    sender TEXT NOT NULL,
    agency TEXT NOT NULL,
    application TEXT NOT NULL,
    facility TEXT NOT NULL,
    certificate TEXT NOT NULL,
    addresses TEXT[] NOT NULL,
    source TEXT NOT NULL,
    site TEXT NOT NULL,
    site_name TEXT NOT NULL,
    authority TEXT NOT NULL,
    classes TEXT[] NOT NULL,
    locations TEXT[] NOT NULL,
    treatment_functions TEXT[] NOT NULL,
    admission_methods TEXT[] NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_hl7_senders PRIMARY KEY (sender),
    CONSTRAINT uq_hl7_senders_application_facility_certificate UNIQUE (application, facility, certificate),
    CONSTRAINT fk_hl7_senders_agency FOREIGN KEY(agency) REFERENCES agencies (agency)
);

CREATE INDEX ix_hl7_senders_agency ON hl7_senders (agency);

CREATE TABLE pages (
    page UUID NOT NULL,
    moment UUID NOT NULL,
    reference TEXT NOT NULL,
    possible BOOLEAN DEFAULT false NOT NULL,
    team TEXT NOT NULL,
    authority TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    plan JSONB NOT NULL,
    step INTEGER NOT NULL,
    round INTEGER NOT NULL,
    next_step_at TIMESTAMP WITH TIME ZONE,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    matched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    accepted_at TIMESTAMP WITH TIME ZONE,
    contact_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    accepted_by TEXT,
    accepted_via TEXT,
    contact_due_at TIMESTAMP WITH TIME ZONE,
    asked INTEGER DEFAULT 0 NOT NULL,
    reopened_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_pages PRIMARY KEY (page),
    CONSTRAINT uq_pages_moment_team UNIQUE (moment, team),
    CONSTRAINT ck_pages_reference_has_no_look_alikes CHECK (reference ~ '^[ACDEFGHJKMNPQRTUVWXY34679]{4}$'),
    CONSTRAINT ck_pages_state_known CHECK (state IN ('open', 'accepted', 'contact', 'closed', 'withdrawn', 'expired')),
    CONSTRAINT ck_pages_open_always_has_a_next_step CHECK ((state = 'open') = (next_step_at IS NOT NULL)),
    CONSTRAINT ck_pages_accepted_by_somebody CHECK (state <> 'accepted' OR (accepted_at IS NOT NULL AND accepted_by IS NOT NULL)),
    CONSTRAINT ck_pages_contact_has_a_time CHECK (state <> 'contact' OR contact_at IS NOT NULL),
    CONSTRAINT ck_pages_ended_has_a_time CHECK ((state IN ('closed', 'withdrawn', 'expired')) = (ended_at IS NOT NULL)),
    CONSTRAINT ck_pages_acceptance_is_whole CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)),
    CONSTRAINT ck_pages_accepted_is_asked_about CHECK (state <> 'accepted' OR contact_due_at IS NOT NULL),
    CONSTRAINT ck_pages_step_counts_from_one CHECK (step >= 1 AND round >= 1),
    CONSTRAINT fk_pages_moment FOREIGN KEY(moment) REFERENCES moments (moment),
    CONSTRAINT fk_pages_accepted_by FOREIGN KEY(accepted_by) REFERENCES responders (person)
);

CREATE INDEX ix_pages_contact_due ON pages (contact_due_at) WHERE state = 'accepted';

CREATE INDEX ix_pages_due ON pages (next_step_at) WHERE state = 'open';

CREATE INDEX ix_pages_moment ON pages (moment);

CREATE UNIQUE INDEX ux_pages_live_reference ON pages (reference) WHERE ended_at IS NULL;

CREATE TABLE phones (
    person TEXT NOT NULL,
    mobile TEXT,
    verified_at TIMESTAMP WITH TIME ZONE,
    proven_at TIMESTAMP WITH TIME ZONE,
    code TEXT,
    code_for TEXT,
    code_until TIMESTAMP WITH TIME ZONE,
    tries INTEGER DEFAULT '0' NOT NULL,
    tested_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_phones PRIMARY KEY (person),
    CONSTRAINT fk_phones_person FOREIGN KEY(person) REFERENCES responders (person) ON DELETE CASCADE
);

CREATE TABLE planned (
    shift INTEGER GENERATED BY DEFAULT AS IDENTITY,
    team TEXT NOT NULL,
    person TEXT NOT NULL,
    role TEXT NOT NULL,
    starts TIMESTAMP WITH TIME ZONE NOT NULL,
    ends TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_planned PRIMARY KEY (shift),
    CONSTRAINT ck_planned_starts_before_it_ends CHECK (starts < ends),
    CONSTRAINT ck_planned_role_known CHECK (role IN ('primary', 'backup', 'manager')),
    CONSTRAINT fk_planned_person FOREIGN KEY(person) REFERENCES responders (person)
);

CREATE INDEX ix_planned_person ON planned (person);

CREATE INDEX ix_planned_when ON planned (team, starts, ends);

CREATE TABLE rota_changes (
    change INTEGER GENERATED BY DEFAULT AS IDENTITY,
    team TEXT NOT NULL,
    layer TEXT NOT NULL,
    role TEXT,
    person TEXT NOT NULL,
    instead_of TEXT,
    starts TIMESTAMP WITH TIME ZONE NOT NULL,
    ends TIMESTAMP WITH TIME ZONE NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by TEXT NOT NULL,
    undone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_rota_changes PRIMARY KEY (change),
    CONSTRAINT ck_rota_changes_starts_before_it_ends CHECK (starts < ends),
    CONSTRAINT ck_rota_changes_layer_known CHECK (layer IN ('cover', 'swap', 'override')),
    CONSTRAINT ck_rota_changes_role_known CHECK (role IS NULL OR role IN ('primary', 'backup', 'manager')),
    CONSTRAINT ck_rota_changes_whole CHECK ((layer = 'override') = (instead_of IS NULL) AND (layer <> 'override' OR role IS NOT NULL)),
    CONSTRAINT fk_rota_changes_person FOREIGN KEY(person) REFERENCES responders (person),
    CONSTRAINT fk_rota_changes_instead_of FOREIGN KEY(instead_of) REFERENCES responders (person)
);

CREATE INDEX ix_rota_changes_team ON rota_changes (team);

CREATE TABLE shifts (
    shift INTEGER GENERATED BY DEFAULT AS IDENTITY,
    team TEXT NOT NULL,
    person TEXT NOT NULL,
    role TEXT NOT NULL,
    starts TIMESTAMP WITH TIME ZONE NOT NULL,
    ends TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_shifts PRIMARY KEY (shift),
    CONSTRAINT ck_shifts_starts_before_it_ends CHECK (starts < ends),
    CONSTRAINT ck_shifts_role_known CHECK (role IN ('primary', 'backup', 'manager')),
    CONSTRAINT fk_shifts_person FOREIGN KEY(person) REFERENCES responders (person)
);

CREATE INDEX ix_shifts_person ON shifts (person);

CREATE INDEX ix_shifts_who_now ON shifts (team, role, starts, ends);

CREATE TABLE attempts (
    attempt UUID NOT NULL,
    page UUID,
    team TEXT,
    purpose TEXT NOT NULL,
    step INTEGER NOT NULL,
    round INTEGER NOT NULL,
    person TEXT NOT NULL,
    channel TEXT NOT NULL,
    try INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deadline_at TIMESTAMP WITH TIME ZONE,
    provider TEXT,
    provider_id TEXT,
    provider_code TEXT,
    reason TEXT,
    sent_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    passed_at TIMESTAMP WITH TIME ZONE,
    note TEXT,
    acted_on BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_attempts PRIMARY KEY (attempt),
    CONSTRAINT uq_attempts_page_purpose_step_round_person_channel_try UNIQUE (page, purpose, step, round, person, channel, try),
    CONSTRAINT ck_attempts_state_known CHECK (state IN ('pending', 'sending', 'sent', 'delivered', 'failed', 'undelivered', 'unknown', 'dropped')),
    CONSTRAINT ck_attempts_purpose_known CHECK (purpose IN ('page', 'taken', 'withdrawn', 'expired', 'stopped', 'coming', 'unconfirmed', 'code', 'test', 'reminder', 'returned', 'left', 'alarm')),
    CONSTRAINT ck_attempts_has_a_page_or_a_team CHECK ((page IS NULL) = (purpose IN ('alarm', 'code', 'coming', 'stopped', 'test', 'unconfirmed')) AND (page IS NULL) = (team IS NOT NULL)),
    CONSTRAINT ck_attempts_channel_known CHECK (channel IN ('sms', 'voice', 'email', 'webhook')),
    CONSTRAINT ck_attempts_sending_has_a_deadline CHECK (state <> 'sending' OR deadline_at IS NOT NULL),
    CONSTRAINT ck_attempts_sent_has_a_receipt CHECK (state NOT IN ('sent', 'delivered') OR (sent_at IS NOT NULL AND provider_id IS NOT NULL)),
    CONSTRAINT ck_attempts_delivered_has_a_time CHECK (state <> 'delivered' OR delivered_at IS NOT NULL),
    CONSTRAINT ck_attempts_settled_has_a_time CHECK (state NOT IN ('failed', 'undelivered', 'unknown', 'dropped') OR settled_at IS NOT NULL),
    CONSTRAINT fk_attempts_page FOREIGN KEY(page) REFERENCES pages (page),
    CONSTRAINT fk_attempts_person FOREIGN KEY(person) REFERENCES responders (person)
);

CREATE INDEX ix_attempts_deadline ON attempts (deadline_at) WHERE state = 'sending';

CREATE INDEX ix_attempts_due ON attempts (due_at) WHERE state = 'pending';

CREATE INDEX ix_attempts_page ON attempts (page);

CREATE INDEX ix_attempts_person ON attempts (person, sent_at);

CREATE INDEX ix_attempts_provider_id ON attempts (provider, provider_id);

CREATE INDEX ix_attempts_sent ON attempts (sent_at) WHERE state = 'sent';

CREATE INDEX ix_attempts_sent_at ON attempts (sent_at);

CREATE INDEX ix_attempts_settled_at ON attempts (settled_at);

CREATE INDEX ix_attempts_unknown ON attempts (settled_at) WHERE state = 'unknown';

CREATE TABLE links (
    digest BYTEA NOT NULL,
    page UUID NOT NULL,
    person TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_links PRIMARY KEY (digest),
    CONSTRAINT fk_links_page FOREIGN KEY(page) REFERENCES pages (page),
    CONSTRAINT fk_links_person FOREIGN KEY(person) REFERENCES responders (person)
);

CREATE INDEX ix_links_page ON links (page);

CREATE TABLE sessions (
    digest BYTEA NOT NULL,
    person TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (digest),
    CONSTRAINT fk_sessions_person FOREIGN KEY(person) REFERENCES accounts (person) ON DELETE CASCADE
);

CREATE INDEX ix_sessions_person ON sessions (person);

CREATE TABLE reasons (
    session BYTEA NOT NULL,
    page UUID NOT NULL,
    reason TEXT NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_reasons PRIMARY KEY (session, page),
    CONSTRAINT fk_reasons_session FOREIGN KEY(session) REFERENCES sessions (digest) ON DELETE CASCADE,
    CONSTRAINT fk_reasons_page FOREIGN KEY(page) REFERENCES pages (page) ON DELETE CASCADE
);
