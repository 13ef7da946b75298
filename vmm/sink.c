/* SPDX-License-Identifier: BSD-2-Clause */
#include "sink.h"

#include <errno.h>

bool sink_has_bytes(struct sink *s)
{
	if (s->fd < 0 || s->error)
		return false;
	if (s->done == s->len && (s->due || s->eager)) {
		s->done = 0;
		s->len = s->fill(s->ctx, s->last, s->bytes, sizeof(s->bytes));
		s->due = s->len != 0;
	}
	return s->done < s->len;
}

bool sink_written(struct sink *s, int result)
{
	if (result == -EAGAIN)
		return false;
	if (result >= 0)
		s->done += (size_t)result;
	else if (result != -EINTR)
		s->error = result;
	return true;
}
