/* layer - the table of layers, and the words that name them. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "nn/layer.h"
#include "nn/preset.h"
#include "nn/residual.h"

#include "base/banned.h"

static const struct cn_layer_kind *const kinds[] = {
	&cn_conv_kind, &cn_residual_kind, &cn_plain_kind, &cn_depthwise_kind, &cn_linear_kind, &cn_bn_kind, &cn_gn_kind, &cn_ln_kind,
	&cn_relu_kind, &cn_gelu_kind, &cn_max_kind, &cn_avg_kind, &cn_gap_kind, &cn_up_kind, &cn_flatten_kind, &cn_dropout_kind,
	&cn_bag_kind, &cn_table_kind,
};

size_t
cn_extent_count(const struct cn_extent *extent)
{
	return extent->height * extent->width * extent->channels;
}

size_t
cn_extent_places(const struct cn_extent *extent)
{
	return extent->height * extent->width;
}

static const struct cn_layer_kind *
find_kind(const char *word)
{
	const size_t length = strcspn(word, ":");

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strlen(kinds[i]->word) == length && strncmp(word, kinds[i]->word, length) == 0)
			return kinds[i];
	return NULL;
}

/* Digits, and nothing else: 1 to most. */
static bool
read_number(const char **at, size_t most, size_t *value)
{
	for (*value = 0; **at >= '0' && **at <= '9' && *value <= most; (*at)++)
		*value = 10 * *value + (size_t)(**at - '0');
	return *value >= 1 && *value <= most && !(**at >= '0' && **at <= '9');
}

/* A decimal fraction as "0.1", below 1. */
static bool
read_fraction(const char *at, double *value)
{
	char *end;

	*value = strtod(at, &end);
	return strspn(at, "0123456789.") == strlen(at) && end > at && *end == '\0' && (float)*value < 1;
}

/* "32/2x5" behind a colon: a number, then what the kind may have of stride and a number behind x. */
static bool
read_operand(struct cn_layer *l, const char *at)
{
	const struct cn_layer_kind *kind = l->kind;

	if (kind->most == 0 && !kind->fraction)
		return *at == '\0';
	if (*at++ != ':')
		return false;
	if (kind->fraction)
		return read_fraction(at, &l->part);
	if (!read_number(&at, kind->most, &l->number))
		return false;
	if (kind->strides && *at == '/' && (at++, !read_number(&at, CN_LAYER_LONGEST, &l->stride)))
		return false;
	if (kind->most_times && *at == 'x' && (at++, !read_number(&at, kind->most_times, &l->times)))
		return false;
	return *at == '\0';
}

static int
refuse_word(const char *word, struct cn_err *err)
{
	char known[320] = "", whole[128] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s%s", i ? ", " : "", kinds[i]->word, kinds[i]->grammar);
	at = 0;
	for (size_t i = 0; cn_preset_name(i); i++)
		at += (size_t)snprintf(whole + at, sizeof whole - at, "%s%s", i ? ", " : "", cn_preset_name(i));
	return cn_err_set(err, CN_USAGE, "no layer '%s'; there are %s; and, as the whole of --arch, %s (see cn-train(1))", word, known,
		whole);
}

int
cn_layer_read(struct cn_layer *l, const char *word, struct cn_err *err)
{
	l->kind = find_kind(word);
	if (!l->kind)
		return refuse_word(word, err);
	if (!read_operand(l, word + strlen(l->kind->word)))
		return cn_err_set(err, CN_USAGE, "layer '%s' is written %s%s; cn-train(1) tells what each number may be", word, l->kind->word,
			l->kind->grammar);
	l->out = l->in;
	return l->kind->fit ? l->kind->fit(l, word, err) : 0;
}

void
cn_layer_list(struct cn_layer_tensor *tensor, const char *part, const char *what, struct cn_shape shape, size_t fan_in, float fresh,
	float **value, float **slope)
{
	*tensor = (struct cn_layer_tensor){ part, what, shape, fan_in, fresh, value, slope };
}

void
cn_layer_add(double *sums, size_t n, size_t width)
{
	for (size_t k = 1; k < n; k++)
		for (size_t c = 0; c < width; c++)
			sums[c] += sums[k * width + c];
}

void
cn_layer_slopes(struct cn_layer *l, size_t n)
{
	const size_t out = l->out.channels;

	cn_layer_add(l->sums, n, 2 * out);
	for (size_t c = 0; c < out; c++) {
		l->dbeta[c] = (float)l->sums[c];
		l->dgamma[c] = (float)l->sums[out + c];
	}
}

int
cn_layer_room(struct cn_layer *l, size_t n, struct cn_err *err)
{
	return l->kind->room ? l->kind->room(l, n, err) : 0;
}

size_t
cn_layer_scratch(const struct cn_layer *l, size_t n, const struct cn_pool *pool)
{
	return l->kind->scratch ? l->kind->scratch(l, n, cn_pool_threads(pool)) : 0;
}

void
cn_layer_forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .y = y, .n = n, .learning = way.learning };

	l->fixed = !way.learning;
	if (l->kind->forward)
		l->kind->forward(l, x, y, n, way, pool);
	else
		cn_pool_run(pool, n, l->kind->sample, &job);
}

void
cn_layer_backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .out = y, .dy = dy, .dx = dx, .n = n };

	if (l->kind->backward)
		l->kind->backward(l, x, y, dy, dx, n, pool);
	else if (dx)
		cn_pool_run(pool, n, l->kind->back_sample, &job);
}

void
cn_layer_release(struct cn_layer *l)
{
	cn_mem_free(l->packed);
	cn_mem_free(l->centre);
	cn_mem_free(l->inverse);
	cn_mem_free(l->y);
	cn_mem_free(l->sums);
	cn_residual_free(l->block);
}
