/* cn-mine - choose negatives for every row from a bank. */
#include <stddef.h>

#include "base/tool.h"
#include "mine/assembler.h"
#include "mine/miner.h"
#include "nn/encoder.h"
#include "nn/follow.h"
#include "nn/origin.h"
#include "stream/step.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	struct cn_follow_options follow;
	struct cn_texts bank, guide;
	struct cn_reals quota;
	const char *model, *mix, *schedule, *ranks, *hops, *known, *weight;
	int metric, strategy, way, index, cluster, positive, group, label_aware, policy, emit, symmetric;
	long long k, batch, assemble, window, depth, sample, strata, clusters, neighbours, probes, kept, fresh, memory;
	double margin, max_score, min_score, max_share, near, guide_margin, guide_share, known_bloom;
	double recall, power, temperature, simans_a, simans_b, nearest, farthest, diversity;
};

enum { IVF = 1, NEXT = 3 };	/* of --index and --cluster */

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 'b', "bank", CN_PATHS(bank), "file", .help = "Choose negatives from the rows of this stream; may be repeated" },
	{ 0, "batch", CN_INT(batch), "rows", "0", 0, 1 << 24, .help = "Choose among each so many rows of the input instead of a bank" },
	{ 0, "assemble", CN_INT(assemble), "rows", "0", 0, 1 << 20, .help = "Choose no negatives: order the rows of the input so that batches of so many are near each other" },
	{ 0, "window", CN_INT(window), "rows", "65536", 2, 1 << 24, .help = "With assemble: order each so many rows of the input" },
	{ 0, "quota", CN_REALS(quota), "shares", NULL, 1e-9, 1e9, .help = "Share the negatives of a row among the banks in these proportions" },
	{ 0, "strategy", CN_CHOICE(strategy), "name", "hard", .choices = CN_STRATEGY_NAMES, .help = "Where candidates come from and how they are chosen" },
	{ 0, "mix", CN_TEXT(mix), "mixture", .help = "Share the negatives of a row among strategies: 'random:0.5 hard:0.5'" },
	{ 0, "schedule", CN_TEXT(schedule), "phases", .help = "Mixtures by row of the input: '0 random; 50000 random:0.5 hard:0.5'" },
	{ 0, "k", CN_INT(k), "count", "16", 1, 65536, .help = "Choose this many negatives per row" },
	{ 'm', "model", CN_PATH(model), "file", .help = "Compare samples by the head of this encoder instead of comparing field z" },
	CN_FOLLOW_ROWS,
	{ 0, "metric", CN_CHOICE(metric), "name", "cosine", .choices = "cosine|dot|l2", .help = "Compare by cosine, by inner product, or by minus the squared distance" },
	{ 0, "emit", CN_CHOICE(emit), "what", "auto", .choices = "auto|id|value|z", .help = "Add beside the ids nothing, samples (neg), or vectors (neg_z); auto: samples where z was not compared" },
	{ 0, "ranks", CN_TEXT(ranks), "from:to", .help = "Choose among the allowed candidates from this rank (0 is the best) to before that one" },
	{ 0, "depth", CN_INT(depth), "ranks", "0", 0, 4294967294, .help = "Choose from no more than so many rows at the top of the bank, those passed over included, 0 for all" },
	{ 0, "sample", CN_INT(sample), "rows", "0", 0, 1 << 24, .help = "Choose from so many random rows instead of the most similar ones, 0 for the strategy's own way" },
	{ 0, "pick", CN_CHOICE(way), "way", "auto", .choices = "auto|top|random|softmax|simans|distance|strata|mmr|apart|dpp", .help = "Choose from the candidates in this way instead of the strategy's own" },
	{ 0, "temperature", CN_REAL(temperature), "score", "0.1", 1e-6, 1e6, .help = "With softmax and cached: chances are proportional to e^(score / temperature)" },
	{ 0, "simans-a", CN_REAL(simans_a), "number", "10", 0, 1e9, .help = "With simans: how sharply chances fall off around the positive's score" },
	{ 0, "simans-b", CN_REAL(simans_b), "score", "0", -1e30, 1e30, .help = "With simans: how far above the positive's score chances are greatest" },
	{ 0, "nearest", CN_REAL(nearest), "distance", "0.5", 0.001, 2, .help = "With distance: take what is nearer as so far away" },
	{ 0, "farthest", CN_REAL(farthest), "distance", "1.4", 0, 2, .help = "With distance: choose nothing so far away" },
	{ 0, "strata", CN_INT(strata), "count", "4", 1, 65536, .help = "With strata: choose from so many equal parts of the candidates in turn" },
	{ 0, "diversity", CN_REAL(diversity), "weight", "0.5", 0.001, 1, .help = "With mmr and dpp: weight of being different; with apart: least cosine distance" },
	{ 0, "hops", CN_TEXT(hops), "from:to", "2:3", .help = "With neighbours: choose from rows so many steps away in the graph of nearest rows" },
	{ 0, "neighbours", CN_INT(neighbours), "count", "10", 1, 1024, .help = "With neighbours: steps lead to so many nearest rows, and back" },
	{ 0, "cache", CN_INT(kept), "rows", "50", 1, 65536, .help = "With cached: keep so many rows for each id" },
	{ 0, "fresh", CN_INT(fresh), "rows", "50", 1, 65536, .help = "With cached: so many random rows have the chance to replace some whenever an id comes" },
	{ 0, "index", CN_CHOICE(index), "kind", "exact", .choices = "exact|ivf", .help = "Search the whole bank, or only the nearest lists of an inverted file" },
	{ 0, "recall", CN_REAL(recall), "share", "0.95", 0.01, 1, .help = "With ivf: read as many lists as find this share of the nearest rows, measured on the bank" },
	{ 0, "probes", CN_INT(probes), "lists", "0", 0, 4294967294, .help = "With ivf: read so many lists instead of measuring" },
	{ 0, "cluster", CN_CHOICE(cluster), "relation", "any", .choices = "any|same|other|next", .help = "Choose only candidates of the row's own cluster, of others, or of the nearest other one" },
	{ 0, "clusters", CN_INT(clusters), "count", "0", 0, 1 << 20, .help = "With cluster: cut the bank into so many by k-means, 0 for the root of its rows" },
	{ 0, "weight", CN_TEXT(weight), "field", .help = "With frequency: the field of the bank that counts how frequent a row is" },
	{ 0, "power", CN_REAL(power), "exponent", "0.75", -10, 10, .help = "With frequency: chances are proportional to the weight to this power" },
	{ 0, "label-aware", CN_FLAG(label_aware), .help = "Pass over candidates with the row's own label" },
	{ 0, "group", CN_CHOICE(group), "relation", "any", .choices = "any|same|other", .help = "Choose only candidates of the row's own group, or only of others" },
	{ 0, "known", CN_PATH(known), "file", .help = "Pass over known positives: a line per pair, two ids separated by a tab" },
	{ 0, "symmetric", CN_FLAG(symmetric), .help = "Known pairs hold both ways round" },
	{ 0, "known-bloom", CN_REAL(known_bloom), "rate", "0", 0, 0.5, .help = "Hold known pairs in a Bloom filter that errs at this rate, 0 for an exact set" },
	{ 0, "positive", CN_CHOICE(positive), "what", "auto", .choices = "auto|field|known|label", .help = "Measure the positive by field pos or pos_z, by known pairs, or by the label" },
	{ 0, "margin", CN_REAL(margin), "score", "-1e30", -1e30, 1e30, .help = "Stay below the positive's score by this much; -1e30 for no such guard" },
	{ 0, "max-share", CN_REAL(max_share), "share", "0", 0, 1, .help = "Pass over candidates above this share of the positive's score, 0 for no such guard" },
	{ 0, "max-score", CN_REAL(max_score), "score", "1e30", -1e30, 1e30, .help = "Pass over candidates that score more than this" },
	{ 0, "min-score", CN_REAL(min_score), "score", "-1e30", -1e30, 1e30, .help = "Pass over candidates that score less than this" },
	{ 0, "near", CN_REAL(near), "score", "1e30", -1e30, 1e30, .help = "Pass over candidates that score at least this with field pos or pos_z" },
	{ 0, "guide", CN_PATHS(guide), "file", .help = "Pass over what another model's vectors find too near: a stream of id and z; may be repeated" },
	{ 0, "guide-margin", CN_REAL(guide_margin), "cosine", "0", -2, 2, .help = "With a guide: stay below the positive's similarity by this much" },
	{ 0, "guide-share", CN_REAL(guide_share), "share", "0", 0, 1, .help = "With a guide: stay below this share of the positive's similarity, 0 for no such guard" },
	{ 0, "short", CN_CHOICE(policy), "what", "pad", .choices = "pad|error|keep|resample",
		.help = "Where fewer than k are left: mark the rest as none (pad), fail (error), repeat those there are (keep), or draw the rest by chance (resample)" },
	{ 0, "memory", CN_SIZE(memory), "size", "4G", .silent = 1, .help = "Hold no more of the banks than this: what is only searched stays in its file, other banks are refused" },
	CN_OPT_SEED_ROW, CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-mine", "choose negatives for every row from a bank", "[file]", NULL, 0, 1, opts, offsetof(struct config, common),
	cn_writer_refuse_usage
};

/* "10:210", "10:" or ":210". */
static void
read_ranks(const char *text, struct cn_selector_config *s, struct cn_err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	char *end = NULL;

	if (!text)
		return;
	if (colon && text[1] && strspn(text, "0123456789:") == strlen(text)) {
		s->first = strtoul(text, &end, 10);
		if (end == colon)
			s->end = strtoul(colon + 1, &end, 10);
	}
	if (!colon || !end || *end || (colon[1] && s->end <= s->first) || s->end > UINT32_MAX || s->first >= UINT32_MAX)
		cn_err_set(err, CN_USAGE, "--ranks: '%s' is no range of ranks; write from:to, as in 10:210", text);
}

/* "2:3", both ends included. */
static void
read_hops(const char *text, struct cn_selector_config *s, struct cn_err *err)
{
	char *end = NULL;

	s->near = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
	if (end && *end == ':' && end[1] >= '0' && end[1] <= '9')
		s->far = strtoul(end + 1, &end, 10);
	if (!end || *end || s->near < 1 || s->far < s->near || s->far > 1000)
		cn_err_set(err, CN_USAGE, "--hops: '%s' are no steps; write from:to, both from 1 to 1000, as in 2:3", text);
}

static struct cn_selector_config
selector_config(const struct config *c, struct cn_err *err)
{
	struct cn_selector_config s = {
		.mixture = cn_mixture_of((enum cn_strategy)c->strategy), .k = (size_t)c->k,
		.guard = { c->max_score, c->min_score, c->max_share, c->margin, false }, .way = (enum cn_way)c->way,
		.ways = { c->temperature, c->simans_a, c->simans_b, c->nearest, c->farthest, (size_t)c->strata, c->diversity },
		.depth = (size_t)c->depth, .sample = (size_t)c->sample, .policy = (enum cn_short)c->policy,
		.seed = (uint64_t)c->common.seed, .fresh = (size_t)c->fresh, .lists = c->index == IVF, .spans = c->quota.n,
	};

	if (c->mix)
		cn_mixture_read(&s.mixture, "--mix", c->mix, err);
	if (c->schedule && !err->code)
		cn_mixture_read(&s.mixture, "--schedule", c->schedule, err);
	for (size_t i = 0; i < c->quota.n; i++)
		s.span[i].share = c->quota.value[i];
	read_ranks(c->ranks, &s, err);
	read_hops(c->hops, &s, err);
	return s;
}

/* Who brings the encoder's weights, and who works with them. */
struct loop {
	struct cn_follow *follow;
	struct cn_miner *miner;
};

static int
renew(void *context, struct cn_err *err)
{
	struct loop *loop = context;
	const int got = cn_follow_next(loop->follow, err);

	return got == CN_FOLLOW_NEW && cn_miner_renew(loop->miner, err) < 0 ? -1 : got;
}

/* What the options cannot say row by row. */
static void
check(const struct config *c, const struct cn_selector_config *s, struct cn_err *err)
{
	const bool counts = cn_mixture_has(&s->mixture, CN_STRATEGY_FREQUENCY);

	if (!c->bank.n && !c->batch && !c->assemble)
		cn_err_set(err, CN_USAGE, "--bank is needed: name a stream to choose from, "
			"or the input file once more (a pipe cannot be read twice)");
	if (c->bank.n && c->batch)
		cn_err_set(err, CN_USAGE, "--batch chooses among the rows of the input: leave out --bank");
	if (c->bank.n > CN_SPANS || c->guide.n > CN_MINER_GUIDES)
		cn_err_set(err, CN_USAGE, "at most %d banks and %d guides are possible", CN_SPANS, CN_MINER_GUIDES);
	if (c->quota.n && c->quota.n != c->bank.n)
		cn_err_set(err, CN_USAGE, "--quota needs one share for each --bank: %zu, not %zu", c->bank.n, c->quota.n);
	if (c->batch == 1)
		cn_err_set(err, CN_USAGE, "--batch 1 leaves a row nothing to choose from; give as many rows as training takes at once");
	if (c->mix && c->schedule)
		cn_err_set(err, CN_USAGE, "--mix is a --schedule of one phase: give one of them");
	if (counts != (c->weight != NULL))
		cn_err_set(err, CN_USAGE, counts ? "--strategy frequency needs --weight: the field of the bank that counts" :
			"--weight is for --strategy frequency");
	if (c->batch && (counts || s->lists || c->cluster || cn_mixture_has(&s->mixture, CN_STRATEGY_NEIGHBOURS) ||
	    cn_mixture_has(&s->mixture, CN_STRATEGY_CACHED)))
		cn_err_set(err, CN_USAGE, "frequency, neighbours, cached, --index ivf and --cluster need a --bank, which --batch is not");
	if (c->known_bloom > 0 && (c->guide.n || c->positive == CN_POSITIVE_KNOWN))
		cn_err_set(err, CN_USAGE, "--known-bloom cannot list the pairs that --guide and --positive known ask for: leave it out");
	if (c->guide.n && !c->known)
		cn_err_set(err, CN_USAGE, "--guide measures known positives: name their pairs with --known");
	if (c->metric && (cn_selector_needs_cosine(s) || c->cluster))
		cn_err_set(err, CN_USAGE, "easy, diverse, distance, neighbours, --pick mmr, apart and dpp, --index ivf and --cluster "
			"work with --metric cosine");
	if (c->min_score >= c->max_score)
		cn_err_set(err, CN_USAGE, "--min-score must be less than --max-score, or nothing is left to choose");
	if (c->depth && (uint64_t)c->depth <= s->first)
		cn_err_set(err, CN_USAGE, "--depth %lld leaves nothing of --ranks %s", c->depth, c->ranks);
	if (c->nearest >= c->farthest)
		cn_err_set(err, CN_USAGE, "--nearest must be less than --farthest, or nothing is left to choose");
	if (c->mix && (strchr(c->mix, ';') || strchr("0123456789", c->mix[strspn(c->mix, " ")])))
		cn_err_set(err, CN_USAGE, "--mix is one mixture for all rows; phases by row are for --schedule");
	if (s->end && !c->mix && !c->schedule && s->end - s->first < s->k)
		cn_err_set(err, CN_USAGE, "--ranks %s leaves %zu candidates for --k %zu", c->ranks, s->end - s->first, s->k);
	if (c->clusters == 1)
		cn_err_set(err, CN_USAGE, "--clusters 1 is the whole bank; give 2 or more");
	if (cn_mixture_has(&s->mixture, CN_STRATEGY_SEMIHARD) && c->margin < 0 && c->margin > -CN_GUARD_OFF)
		cn_err_set(err, CN_USAGE, "--margin below 0 lets through what --strategy semihard does not");
}

/* Options that would do nothing beside the others are refused. */
static void
check_effects(const struct config *c, const struct cn_selector_config *s, struct cn_err *err)
{
	const bool graph = cn_mixture_has(&s->mixture, CN_STRATEGY_NEIGHBOURS), cached = cn_mixture_has(&s->mixture, CN_STRATEGY_CACHED);
	const bool ranked = cn_selector_ranks(s), sampled = cn_selector_samples(s), frequency = cn_mixture_has(&s->mixture, CN_STRATEGY_FREQUENCY);
	const struct { const char *name, *serves; bool serve; } rule[] = {
		{ "strategy", "one strategy; leave it out beside --mix and --schedule", !c->mix && !c->schedule },
		{ "temperature", "softmax and cached", cached || cn_selector_uses(s, CN_WAY_SOFTMAX) },
		{ "simans-a", "simans", cn_selector_uses(s, CN_WAY_SIMANS) }, { "simans-b", "simans", cn_selector_uses(s, CN_WAY_SIMANS) },
		{ "nearest", "distance", cn_selector_uses(s, CN_WAY_DISTANCE) }, { "farthest", "distance", cn_selector_uses(s, CN_WAY_DISTANCE) },
		{ "strata", "strata", cn_selector_uses(s, CN_WAY_STRATA) },
		{ "diversity", "mmr, apart and dpp", cn_selector_uses(s, CN_WAY_MMR) || cn_selector_uses(s, CN_WAY_APART) || cn_selector_uses(s, CN_WAY_DPP) },
		{ "hops", "neighbours", graph }, { "neighbours", "neighbours", graph }, { "cache", "cached", cached }, { "fresh", "cached", cached },
		{ "index", "searches for the most similar rows", cn_selector_searches(s) }, { "recall", "--index ivf", s->lists },
		{ "probes", "--index ivf", s->lists }, { "clusters", "--cluster", c->cluster != 0 }, { "power", "frequency", frequency },
		{ "ranks", "strategies that search, sample or walk", ranked || sampled || graph },
		{ "depth", "strategies that search the whole bank", ranked }, { "sample", "strategies that choose among similar rows", sampled },
		{ "pick", "strategies with candidates to choose from", cn_selector_chooses(s) },
		{ "window", "--assemble", c->assemble > 0 },
		{ "symmetric", "--known", c->known != NULL }, { "known-bloom", "--known", c->known != NULL },
		{ "guide-margin", "--guide", c->guide.n > 0 }, { "guide-share", "--guide", c->guide.n > 0 },
	};

	for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
		if (!rule[i].serve && cn_opt_given(opts, c, rule[i].name))
			cn_err_set(err, CN_USAGE, "--%s would do nothing here: it is for %s", rule[i].name, rule[i].serves);
}

/* Whether an option of the history (option.NAME, flag.NAME, option.NAME.2) has an effect on --assemble. */
static bool
serves_assembly(const char *key)
{
	static const char *const name[] = { "assemble", "window", "strategy", "mix", "schedule", "model", "metric", "label-aware", "group",
		"known", "symmetric", "known-bloom", "max-score", "seed", "rows", "chunk-rows" };
	const char *dot = strchr(key, '.') + 1;

	for (size_t i = 0; i < sizeof name / sizeof *name; i++)
		if (strcmp(dot, name[i]) == 0)
			return true;
	return false;
}

/* What --assemble asks of the other options. */
static void
check_assembly(const struct config *c, const struct cn_selector_config *s, struct cn_err *err)
{
	struct cn_meta given = { 0 };

	if (!c->assemble)
		return;
	if (c->assemble == 1 || c->window < c->assemble)
		cn_err_set(err, CN_USAGE, c->assemble == 1 ? "--assemble 1 makes batches of one row; give as many rows as training takes at once" :
			"--window %lld holds no batch of --assemble %lld", c->window, c->assemble);
	for (int kind = 0; kind < CN_STRATEGIES; kind++)
		if (kind != CN_STRATEGY_HARD && kind != CN_STRATEGY_RANDOM && cn_mixture_has(&s->mixture, (enum cn_strategy)kind))
			cn_err_set(err, CN_USAGE, "--assemble makes batches of hard and random rows; leave out other strategies");
	cn_opt_history(opts, c, &given, err);
	for (size_t i = 0; i < given.n && !err->code; i++)
		if (!serves_assembly(given.pair[i].key))
			cn_err_set(err, CN_USAGE, "--%.*s would do nothing here: --assemble orders rows and chooses no negatives",
				(int)strcspn(strchr(given.pair[i].key, '.') + 1, "."), strchr(given.pair[i].key, '.') + 1);
	cn_meta_release(&given);
}

/* The streams the negatives come from, and what speaks against them; freed by close_inputs. */
static void
open_inputs(struct cn_step *step, const struct config *c, struct loop *loop, struct cn_miner_config *m, struct cn_err *err)
{
	const struct cn_pairs_config pairs = { c->known, c->symmetric, c->known_bloom, (uint64_t)c->memory, !(c->known_bloom > 0) };

	for (size_t i = 0; i < c->bank.n && !err->code; i++)
		m->bank[m->banks++] = cn_step_reader(step, c->bank.value[i], err);
	for (size_t i = 0; i < c->guide.n && !err->code; i++)
		m->guide_stream[m->guides++] = cn_step_reader(step, c->guide.value[i], err);
	if (c->model && !err->code)
		m->encoder = cn_encoder_load(c->model, step->pool, err);
	cn_encoder_trace(m->encoder, c->model, step, err);
	loop->follow = cn_follow_open(&c->follow, step, err);
	if (loop->follow)
		m->encoder = cn_follow_encoder(loop->follow, "x", err);
	m->follows = loop->follow != NULL;
	step->renew = loop->follow ? renew : NULL;
	step->renew_context = loop;
	if (c->known && !err->code)
		m->known = cn_pairs_read(&pairs, err);
	step->side = c->known;
}

static void
close_inputs(struct cn_miner_config *m)
{
	for (size_t i = 0; i < m->banks; i++)
		cn_reader_free(m->bank[i]);
	for (size_t i = 0; i < m->guides; i++)
		cn_reader_free(m->guide_stream[i]);
	if (!m->follows)
		cn_encoder_free(m->encoder);
	cn_pairs_free((struct cn_pairs *)m->known);
}

/* What is to be learned of the banks. */
static struct cn_layout_config
layout_config(const struct config *c, const struct cn_selector_config *s)
{
	return (struct cn_layout_config){
		.power = c->power, .clusters = (size_t)c->clusters, .probes = (size_t)c->probes, .recall = s->lists ? c->recall : 0,
		.neighbours = cn_mixture_has(&s->mixture, CN_STRATEGY_NEIGHBOURS) ? (size_t)c->neighbours : 0,
		.depth = cn_selector_depth(s), .seed = (uint64_t)c->common.seed,
	};
}

static struct cn_miner_config
miner_config(const struct config *c, const struct cn_selector_config *s)
{
	return (struct cn_miner_config){
		.strategy = *s, .metric = (enum cn_metric)c->metric, .emit = (enum cn_emit)c->emit, .positive = (enum cn_positive)c->positive,
		.group = (enum cn_relation)c->group, .label_aware = c->label_aware, .batch = (size_t)c->batch, .near = c->near,
		.weight = c->weight, .cluster = c->cluster == NEXT ? CN_RELATION_SAME : (enum cn_relation)c->cluster,
		.next_cluster = c->cluster == NEXT, .kept = (size_t)c->kept, .layout = layout_config(c, s),
		.guide = { CN_GUARD_OFF, -CN_GUARD_OFF, c->guide_share, c->guide_margin, false },
		.memory = (uint64_t)c->memory,
	};
}

/* Likely mistakes that are none by themselves. */
static void
warn(const struct config *c, const struct cn_mine_counts *n, size_t repeats)
{
	if (c->common.quiet)
		return;
	if (repeats)
		cn_tool_say(&tool, "%zu rows of the bank have the id of another one: both may be negatives of one row", repeats);
	if (c->known && !(c->known_bloom > 0) && n->anchors && !n->paired)
		cn_tool_say(&tool, "%s: no pair is a row's id and, behind it, that of a row of the bank; is --symmetric missing, or --id-base of cn-import?",
			c->known);
}

/* The story in numbers: a table on request; always if rows stayed short. */
static void
tell(const struct config *c, const struct cn_mine_counts *n)
{
	if (c->common.verbose)
		cn_tool_say(&tool, "%llu rows got %llu negatives", (unsigned long long)n->anchors, (unsigned long long)n->picked);
	for (unsigned i = 1; i < CN_MINE_TAKEN && c->common.verbose; i++)
		if (n->dropped[i])
			cn_tool_say(&tool, "passed over: %llu %s", (unsigned long long)n->dropped[i], cn_mine_reason_name((enum cn_mine_reason)i));
	if (n->short_rows && !c->common.quiet)
		cn_tool_say(&tool, "%llu of %llu rows had fewer than %lld candidates (see --short)",
			(unsigned long long)n->short_rows, (unsigned long long)n->anchors, c->k);
}

/* The same in the output's metadata. */
static void
note(struct cn_meta *meta, const struct cn_mine_counts *n, struct cn_err *err)
{
	char key[64];

	cn_meta_format(meta, "mine.rows", "%llu", err, (unsigned long long)n->anchors);
	cn_meta_format(meta, "mine.negatives", "%llu", err, (unsigned long long)n->picked);
	cn_meta_format(meta, "mine.short", "%llu", err, (unsigned long long)n->short_rows);
	for (unsigned i = 1; i < CN_MINE_TAKEN; i++) {
		snprintf(key, sizeof key, "mine.passed-over.%s", cn_mine_reason_key((enum cn_mine_reason)i));
		if (n->dropped[i])
			cn_meta_format(meta, key, "%llu", err, (unsigned long long)n->dropped[i]);
	}
}

/* Which layer the vectors are of that --emit z gives: that of -m, or what all banks say of theirs, which is the same. */
static const char *
origin(const struct cn_miner_config *m, const struct cn_reader *in)
{
	const char *origin = cn_origin_of_field(cn_reader_meta(m->banks ? m->bank[0] : in), "z");

	if (m->encoder)
		return cn_origin_of_layer(m->encoder, CN_ENCODER_HEAD);
	for (size_t i = 1; i < m->banks && origin; i++)
		origin = cn_origin_of_field(cn_reader_meta(m->bank[i]), "z");
	return origin;
}

/* Opens the output and says in its metadata what the numbers of neg_rule mean, and which layer neg_z is of. */
static void
open_output(struct cn_step *step, const struct cn_miner *miner, const struct cn_miner_config *m, struct cn_err *err)
{
	struct cn_reader *extra[CN_SPANS + CN_MINER_GUIDES];
	struct cn_schema schema;
	size_t n = 0;

	for (size_t i = 0; i < m->banks; i++)
		extra[n++] = m->bank[i];
	for (size_t i = 0; i < m->guides; i++)
		extra[n++] = m->guide_stream[i];
	if (err->code || cn_miner_schema(miner, &schema, err) < 0 || cn_step_output(step, &schema, extra, n, err) < 0)
		return;
	cn_meta_set(cn_writer_meta(step->out), "mine.rules", CN_RULE_NAMES, err);
	cn_origin_note(cn_writer_meta(step->out), "neg_z", cn_schema_find(&schema, "neg_z") < 0 ? NULL : origin(m, step->in), err);
}

static struct cn_assembler_config
assembler_config(const struct config *c, const struct cn_selector_config *s, const struct cn_miner_config *m, struct cn_pool *pool)
{
	return (struct cn_assembler_config){
		.assembly = { (size_t)c->assemble, s->mixture, 0, (float)c->max_score, (uint64_t)c->common.seed, pool },
		.window = (size_t)c->window, .metric = m->metric, .group = m->group, .label_aware = m->label_aware, .known = m->known,
		.memory = m->memory, .encoder = m->encoder,
	};
}

/* What has become of the batches: how near their rows are, in mean over all pairs, as they came and as they go. */
static void
tell_assembly(const struct config *c, const struct cn_assembler_counts *n)
{
	const double pairs = n->after.pairs ? (double)n->after.pairs : 1;

	if (c->common.verbose)
		cn_tool_say(&tool, "%llu rows in %llu batches: mean similarity in a batch %.4f, as they came %.4f", (unsigned long long)n->rows,
			(unsigned long long)n->batches, n->after.sum / pairs, n->before.sum / pairs);
	if (n->clashing)
		cn_tool_say(&tool, "%llu of %llu rows are in a batch with a row they should not be with, which could not be avoided",
			(unsigned long long)n->clashing, (unsigned long long)n->rows);
}

static void
note_assembly(struct cn_meta *meta, const struct cn_assembler_counts *n, struct cn_err *err)
{
	const double pairs = n->after.pairs ? (double)n->after.pairs : 1;

	cn_meta_format(meta, "mine.rows", "%llu", err, (unsigned long long)n->rows);
	cn_meta_format(meta, "mine.batches", "%llu", err, (unsigned long long)n->batches);
	cn_meta_format(meta, "mine.batches.clashing", "%llu", err, (unsigned long long)n->clashing);
	cn_meta_format(meta, "mine.batches.similarity", "%.6f", err, n->after.sum / pairs);
	cn_meta_format(meta, "mine.batches.similarity.before", "%.6f", err, n->before.sum / pairs);
}

/* The whole of --assemble. */
static void
assemble(struct cn_step *step, const struct config *c, const struct cn_selector_config *s, const struct cn_miner_config *m, struct cn_err *err)
{
	const struct cn_assembler_config config = assembler_config(c, s, m, step->pool);
	struct cn_assembler *assembler = cn_assembler_new(&config, step->in, err);

	if (!err->code && cn_step_output(step, cn_reader_schema(step->in), NULL, 0, err) == 0 && cn_assembler_run(assembler, step, err) == 0) {
		tell_assembly(c, cn_assembler_counts(assembler));
		note_assembly(cn_writer_findings(step->out), cn_assembler_counts(assembler), err);
	}
	cn_assembler_free(assembler);
}

/* The whole of choosing negatives. */
static void
mine(struct cn_step *step, const struct config *c, struct loop *loop, const struct cn_miner_config *m, struct cn_err *err)
{
	loop->miner = cn_miner_new(m, step->in, err);
	step->group = err->code ? 0 : cn_miner_group(loop->miner);
	open_output(step, loop->miner, m, err);
	if (cn_step_run(step, cn_miner_make, loop->miner, err) == 0) {
		warn(c, cn_miner_counts(loop->miner), cn_miner_repeats(loop->miner));
		tell(c, cn_miner_counts(loop->miner));
		note(cn_writer_findings(step->out), cn_miner_counts(loop->miner), err);
	}
	cn_miner_free(loop->miner);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct cn_step step = { 0 };
	struct loop loop = { 0 };
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;
	const struct cn_selector_config strategy = selector_config(&c, &err);
	struct cn_miner_config config = miner_config(&c, &strategy);

	cn_blas_begin();
	cn_follow_check(&c.follow, c.model, &err);
	check(&c, &strategy, &err);
	check_effects(&c, &strategy, &err);
	check_assembly(&c, &strategy, &err);
	if (cn_step_open(&step, &tool, &c, operand, &err) == 0)
		open_inputs(&step, &c, &loop, &config, &err);
	config.pool = step.pool;
	if (c.assemble)
		assemble(&step, &c, &strategy, &config, &err);
	else
		mine(&step, &c, &loop, &config, &err);
	cn_follow_finish(loop.follow, &step, &err);	/* notes in the output how the banks ended */
	cn_follow_free(loop.follow);	/* whose thread looks at the input of step */
	const int status = cn_step_end(&step, &err);
	close_inputs(&config);
	return status;
}
