/* learner - samples through one or two networks, in chunks, and back. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loss/learner.h"
#include "nn/average.h"
#include "tensor/kernel.h"

#include "base/banned.h"

/* A network with what moves it. */
struct part {
	struct cn_network *network;
	struct cn_optimizer *optimizer;
	float *parameter, *gradient;	/* the network's, n of each */
	size_t n;
	float *sum;			/* of the gradients of chunks and batches (n), or NULL where there is but one */
	float *running;			/* what the running statistics are to be, while a chunk is put through again */
};

enum { ENCODER, PREDICTOR, PARTS };

struct cn_learner {
	struct cn_learner_config config;
	struct cn_model *model;
	struct cn_pool *pool;
	struct part part[PARTS];
	size_t parts;
	struct cn_average *average, *momentum;	/* or NULL */
	size_t dim, chunk;
	float *input;		/* a chunk's samples as numbers */
	float *head, *dhead;	/* (chunk, dim) in front of the predictor, and the gradient there */
	/* of what was put forward */
	const void *const *sample;
	uint64_t round;
	size_t n, views, learned;	/* learned: of the samples, those that went through the encoder that learns */
	size_t added;			/* gradients in the sums of this step */
};

static bool
moves(const struct part *p, const struct cn_network_tensor *tensor)
{
	return tensor->data >= p->parameter && tensor->data < p->parameter + p->n;
}

/* The optimizer by tensors that move, of which those of two axes or more decay in any case. */
static int
make_optimizer(const struct cn_learner *l, struct part *p, struct cn_err *err)
{
	struct cn_optimizer_part *run = cn_mem_array(cn_network_tensors(p->network) + 1, sizeof(*run), err);
	size_t runs = 0;

	for (size_t i = 0, at = 0; run && at < p->n; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(p->network, i);

		if (!moves(p, &tensor))
			continue;
		run[runs] = (struct cn_optimizer_part){ .at = at, .n = cn_shape_count(&tensor.shape),
			.decays = l->config.decay_all || tensor.shape.rank >= 2 };
		at += run[runs++].n;
	}
	if (run)
		p->optimizer = cn_optimizer_new(&l->config.optimizer, run, runs, err);
	cn_mem_free(run);
	return err->code ? -1 : 0;
}

/* Copies the tensors that are not moved, running statistics among them, or puts them back. */
static size_t
exchange_running(const struct part *p, float *copy, bool back)
{
	size_t at = 0;

	for (size_t i = 0; i < cn_network_tensors(p->network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(p->network, i);
		const size_t n = cn_shape_count(&tensor.shape);

		if (moves(p, &tensor))
			continue;
		if (copy)
			memcpy(back ? tensor.data : copy + at, back ? copy + at : tensor.data, n * sizeof(float));
		at += n;
	}
	return at;
}

static int
add_part(struct cn_learner *l, struct cn_network *network, struct cn_err *err)
{
	struct part *p = &l->part[l->parts++];

	p->network = network;
	if (!network)
		return -1;
	p->n = cn_network_parameters(network, &p->parameter, &p->gradient);
	if (l->chunk < l->config.samples || l->config.batches > 1) {
		p->sum = cn_mem_array(p->n + 1, sizeof(float), err);
		p->running = cn_mem_array(exchange_running(p, NULL, false) + 1, sizeof(float), err);
	}
	return make_optimizer(l, p, err) != 0 ? -1 : cn_network_reserve(network, l->chunk, err);
}

static int
add_predictor(struct cn_learner *l, struct cn_err *err)
{
	const struct cn_shape head = { .rank = 1, .dim = { (uint32_t)l->dim } };
	struct cn_network *predictor = cn_network_new(l->config.predictor, "", CN_DTYPE_F32, &head, l->pool, err);

	if (predictor)
		cn_network_init(predictor, ~l->config.seed);	/* other draws than the encoder's */
	if (add_part(l, predictor, err) != 0)
		return -1;
	const size_t dim = cn_network_dim(predictor, CN_NETWORK_HEAD);

	if (dim != l->dim)
		return cn_err_set(err, CN_USAGE, "--predictor puts out %zu numbers, but is compared with the %zu of the head; let both end alike",
			dim, l->dim);
	l->head = cn_mem_array(l->chunk, l->dim * sizeof(float), err);
	l->dhead = cn_mem_array(l->chunk, l->dim * sizeof(float), err);
	return err->code ? -1 : 0;
}

struct cn_learner *
cn_learner_new(const struct cn_learner_config *config, struct cn_model *model, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_learner *l = err->code ? NULL : cn_mem_array(1, sizeof(*l), err);

	if (!l)
		return NULL;
	l->config = *config;
	l->model = model;
	l->pool = pool;
	l->dim = cn_network_dim(cn_model_network(model), CN_NETWORK_HEAD);
	l->chunk = config->chunk && config->chunk < config->samples ? config->chunk : config->samples;
	l->input = cn_mem_array(l->chunk, cn_model_input(model) * sizeof(float), err);
	if (add_part(l, cn_model_network(model), err) == 0 && *config->predictor)
		add_predictor(l, err);
	if (config->average > 0)
		l->average = cn_average_new(l->part[ENCODER].network, err);
	if (config->momentum > 0)
		l->momentum = cn_average_new(l->part[ENCODER].network, err);
	if (!err->code)
		return l;
	cn_learner_free(l);
	return NULL;
}

void
cn_learner_free(struct cn_learner *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->parts; i++) {
		cn_optimizer_free(l->part[i].optimizer);
		cn_mem_free(l->part[i].sum);
		cn_mem_free(l->part[i].running);
	}
	if (l->parts > PREDICTOR)
		cn_network_free(l->part[PREDICTOR].network);
	cn_average_free(l->average);
	cn_average_free(l->momentum);
	cn_mem_free(l->input);
	cn_mem_free(l->head);
	cn_mem_free(l->dhead);
	cn_mem_free(l);
}

bool
cn_learner_targets(const struct cn_learner *l)
{
	return l->momentum || l->parts > PREDICTOR;
}

/* Where the chunk ends that begins at at, of n samples: chunks are as few as possible, and as alike. */
static size_t
chunk_end(const struct cn_learner *l, size_t at, size_t n)
{
	const size_t chunks = (n + l->chunk - 1) / l->chunk;
	size_t i = at * chunks / n;

	while (n * i / chunks <= at)
		i++;
	return n * i / chunks;
}

/* Samples [at, at + m) through the encoder. */
static int
encode(struct cn_learner *l, size_t at, size_t m, float *z, struct cn_err *err)
{
	cn_model_scale(l->model, l->sample + at, m, l->input);
	cn_network_moment(l->part[ENCODER].network, l->config.seed, l->round, at);
	return cn_network_forward(l->part[ENCODER].network, l->input, m, z, err);
}

/* How many of the samples [at, at + m) are anchors. */
static size_t
anchors_at(const struct cn_learner *l, size_t at, size_t m)
{
	return at >= l->views ? 0 : l->views - at < m ? l->views - at : m;
}

/* From the head's output of the samples [at, at + m), which must stay, to those anchors that are among them. */
static int
predict(struct cn_learner *l, size_t at, size_t m, const float *head, float *anchor, struct cn_err *err)
{
	const size_t n = anchors_at(l, at, m);

	cn_network_moment(l->part[PREDICTOR].network, ~l->config.seed, l->round, at);
	return n == 0 ? 0 : cn_network_forward(l->part[PREDICTOR].network, head, n, anchor, err);
}

int
cn_learner_forward(struct cn_learner *l, const void *const *sample, size_t n, size_t views, uint64_t round, float *z, float *anchor,
	struct cn_err *err)
{
	const bool predicts = l->parts > PREDICTOR;

	l->sample = sample;
	l->n = n;
	l->views = views;
	l->round = round;
	l->learned = l->momentum ? views : n;
	if (l->momentum) {
		cn_average_swap(l->momentum);
		for (size_t at = 0, end; at < n && !err->code; at = end) {
			end = chunk_end(l, at, n);
			encode(l, at, end - at, z + at * l->dim, err);
		}
		cn_average_swap(l->momentum);
	}
	for (size_t at = 0, end; at < l->learned && !err->code; at = end) {
		end = chunk_end(l, at, l->learned);
		const size_t m = end - at;
		float *to = predicts ? l->head : (l->momentum ? anchor : z) + at * l->dim;

		if (encode(l, at, m, to, err) != 0)
			return -1;
		if (predicts && predict(l, at, m, l->head, anchor + at * l->dim, err) != 0)
			return -1;
		if (predicts && !l->momentum)
			memcpy(z + at * l->dim, l->head, m * l->dim * sizeof(float));
	}
	return err->code ? -1 : 0;
}

/* Back through the samples [at, at + m), which were the last ones put forward. */
static int
back(struct cn_learner *l, size_t at, size_t m, const float *dz, struct cn_err *err)
{
	const size_t n = anchors_at(l, at, m);

	if (l->parts > PREDICTOR) {
		memset(l->dhead, 0, m * l->dim * sizeof(float));
		if (n > 0 && cn_network_backward(l->part[PREDICTOR].network, dz + at * l->dim, l->dhead, err) != 0)
			return -1;
		for (size_t i = 0; i < l->part[PREDICTOR].n && n == 0; i++)
			l->part[PREDICTOR].gradient[i] = 0;
	}
	return cn_network_backward(l->part[ENCODER].network, l->parts > PREDICTOR ? l->dhead : dz + at * l->dim, NULL, err);
}

/* Adds the gradients to those of the chunks and batches before. */
static void
add_up(struct cn_learner *l)
{
	for (size_t i = 0; i < l->parts; i++) {
		const struct part *p = &l->part[i];

		for (size_t k = 0; k < p->n && p->sum; k++)
			p->sum[k] = l->added == 0 ? p->gradient[k] : p->sum[k] + p->gradient[k];
	}
	l->added++;
}

/* Each chunk forward again, without a trace in the running statistics, and back. */
static int
replay(struct cn_learner *l, const float *dz, struct cn_err *err)
{
	float *head = l->parts > PREDICTOR ? l->head : NULL;

	for (size_t i = 0; i < l->parts; i++)
		exchange_running(&l->part[i], l->part[i].running, false);
	for (size_t at = 0, end; at < l->learned; at = end) {
		end = chunk_end(l, at, l->learned);
		const size_t m = end - at;

		if (encode(l, at, m, head, err) != 0 || (head && predict(l, at, m, head, NULL, err) != 0) || back(l, at, m, dz, err) != 0)
			return -1;
		add_up(l);
	}
	for (size_t i = 0; i < l->parts; i++)
		exchange_running(&l->part[i], l->part[i].running, true);
	return 0;
}

int
cn_learner_backward(struct cn_learner *l, const float *dz, struct cn_err *err)
{
	if (l->learned > l->chunk)
		return replay(l, dz, err);
	if (back(l, 0, l->learned, dz, err) != 0)
		return -1;
	add_up(l);
	return 0;
}

double
cn_learner_slope(struct cn_learner *l)
{
	const float share = 1 / (float)l->config.batches;
	double squares = 0;

	for (size_t i = 0; i < l->parts; i++) {
		const struct part *p = &l->part[i];

		for (size_t k = 0; k < p->n && p->sum; k++)
			p->gradient[k] = p->sum[k] * share;
		squares += cn_kernel_squares(p->gradient, p->n);
	}
	l->added = 0;
	return sqrt(squares);
}

void
cn_learner_move(struct cn_learner *l, const struct cn_optimizer_rates *rates)
{
	for (size_t i = 0; i < l->parts; i++)
		cn_optimizer_step(l->part[i].optimizer, rates, l->part[i].parameter, l->part[i].gradient, l->pool);
	if (l->average)
		cn_average_follow(l->average, l->config.average);
	if (l->momentum)
		cn_average_follow(l->momentum, l->config.momentum);
}

void
cn_learner_swap(struct cn_learner *l)
{
	if (l->average)
		cn_average_swap(l->average);
}

void
cn_learner_describe(const struct cn_learner *l, struct cn_checkpoint *checkpoint)
{
	checkpoint->model = l->model;
	checkpoint->optimizer = l->part[ENCODER].optimizer;
	checkpoint->average = l->average;
	checkpoint->target = l->momentum;
	checkpoint->predictor = l->part[PREDICTOR].network;
	checkpoint->predictor_optimizer = l->part[PREDICTOR].optimizer;
}
