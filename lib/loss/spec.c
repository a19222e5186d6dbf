/* spec - a small reader: terms by "+", weight by "*", name by ":", keys by ",". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loss/objective.h"
#include "loss/spec.h"

#include "base/banned.h"

/* Loss number i; NULL behind the last. */
static const struct cn_loss *
listed(size_t i)
{
	for (const struct cn_loss *l = cn_softmax_losses; l->name; l++)
		if (i-- == 0)
			return l;
	for (const struct cn_loss *l = cn_margin_losses; l->name; l++)
		if (i-- == 0)
			return l;
	for (const struct cn_loss *l = cn_redundancy_losses; l->name; l++)
		if (i-- == 0)
			return l;
	return NULL;
}

static int
refuse_name(const char *name, size_t length, struct cn_err *err)
{
	const struct cn_loss *loss;
	char all[400] = "";
	size_t at = 0;

	for (size_t i = 0; (loss = listed(i)) != NULL; i++)
		at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", loss->name);
	return cn_err_set(err, CN_USAGE, "no loss '%.*s'; there are %s", (int)length, name, all);
}

static const struct cn_loss *
find_loss(const char *name, size_t length)
{
	const struct cn_loss *loss;

	for (size_t i = 0; (loss = listed(i)) != NULL; i++)
		if (strlen(loss->name) == length && strncmp(loss->name, name, length) == 0)
			return loss;
	return NULL;
}

/* A number and nothing else. */
static bool
read_number(const char *word, size_t length, double *value)
{
	char copy[40], *end;

	if (length == 0 || length >= sizeof copy || !strchr("+-.0123456789", *word))
		return false;
	memcpy(copy, word, length);
	copy[length] = '\0';
	*value = strtod(copy, &end);
	return *end == '\0' && *value - *value == 0;
}

/* The index of the word among "a|b|c", or -1. */
static int
find_choice(const char *choices, const char *word, size_t length)
{
	for (int i = 0; *choices; i++) {
		const size_t n = strcspn(choices, "|");

		if (n == length && strncmp(choices, word, n) == 0)
			return i;
		choices += n + (choices[n] == '|');
	}
	return -1;
}

static int
read_parameter(struct cn_term *term, const char *key, size_t key_length, const char *word, size_t length, struct cn_err *err)
{
	static const struct cn_parameter temperature = { "temperature", 0, 0.001, 100, NULL };
	const struct cn_parameter *p = term->loss->parameter;
	double *value = &term->temperature;

	while (p->key && (strlen(p->key) != key_length || strncmp(p->key, key, key_length) != 0))
		p++;
	if (p->key)
		value = &term->parameter[p - term->loss->parameter];
	else if (key_length == strlen(temperature.key) && strncmp(key, temperature.key, key_length) == 0)
		p = &temperature;
	else
		return cn_err_set(err, CN_USAGE, "loss '%s' has no '%.*s'; see cn-train(1) for what it has", term->loss->name,
			(int)key_length, key);
	if (p->choices) {
		*value = find_choice(p->choices, word, length);
		return *value >= 0 ? 0 : cn_err_set(err, CN_USAGE, "'%.*s' of loss '%s' is one of %s, not '%.*s'", (int)key_length,
			key, term->loss->name, p->choices, (int)length, word);
	}
	if (!read_number(word, length, value) || *value < p->min || *value > p->max)
		return cn_err_set(err, CN_USAGE, "'%.*s' of loss '%s' is a number from %g to %g, not '%.*s'", (int)key_length, key,
			term->loss->name, p->min, p->max, (int)length, word);
	return 0;
}

static int
read_parameters(struct cn_term *term, const char *words, size_t length, struct cn_err *err)
{
	for (const char *end = words + length; words < end;) {
		const size_t n = strcspn(words, ",") < (size_t)(end - words) ? strcspn(words, ",") : (size_t)(end - words);
		const char *equal = memchr(words, '=', n);

		if (!equal)
			return cn_err_set(err, CN_USAGE, "'%.*s' of loss '%s' needs a value, as key=value", (int)n, words, term->loss->name);
		if (read_parameter(term, words, (size_t)(equal - words), equal + 1, n - (size_t)(equal + 1 - words), err) != 0)
			return -1;
		words += n + (words + n < end);
	}
	return 0;
}

static void
trim(const char **word, size_t *length)
{
	for (; *length && **word == ' '; (*word)++)
		(*length)--;
	while (*length && (*word)[*length - 1] == ' ')
		(*length)--;
}

static int
read_term(const char *word, size_t length, double temperature, struct cn_term *term, struct cn_err *err)
{
	const char *star, *colon;
	double weight = 1;

	trim(&word, &length);
	star = memchr(word, '*', length);
	if (star) {
		size_t n = (size_t)(star - word);
		const char *number = word;

		trim(&number, &n);
		if (!read_number(number, n, &weight) || weight < 0)
			return cn_err_set(err, CN_USAGE, "'%.*s' is no weight of a loss; give a number of 0 or more before the '*'", (int)n, number);
		length -= (size_t)(star + 1 - word);
		word = star + 1;
		trim(&word, &length);
	}
	colon = memchr(word, ':', length);
	const size_t n = colon ? (size_t)(colon - word) : length;

	*term = (struct cn_term){ .loss = find_loss(word, n), .weight = weight, .temperature = temperature };
	if (!term->loss)
		return refuse_name(word, n, err);
	for (const struct cn_parameter *p = term->loss->parameter; p->key; p++)
		term->parameter[p - term->loss->parameter] = p->fallback;
	return colon ? read_parameters(term, colon + 1, length - n - 1, err) : 0;
}

int
cn_spec_read(const char *words, double temperature, struct cn_term *term, struct cn_err *err)
{
	int terms = 0;

	for (;;) {
		const size_t n = strcspn(words, "+");

		if (terms == CN_SPEC_TERMS)
			return cn_err_set(err, CN_USAGE, "an objective has at most %d losses", CN_SPEC_TERMS);
		if (read_term(words, n, temperature, &term[terms++], err) != 0)
			return -1;
		if (words[n] == '\0')
			return terms;
		words += n + 1;
	}
}

bool
cn_spec_labelled(const struct cn_term *term)
{
	const struct cn_parameter *first = term->loss->parameter;

	return term->loss->needs_labels || (first->key && strcmp(first->key, "labels") == 0 && term->parameter[0] > 0);
}

int
cn_objective_check(const char *words, struct cn_err *err)
{
	struct cn_term term[CN_SPEC_TERMS];

	return cn_spec_read(words, 1, term, err) > 0 ? 0 : -1;
}
