/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What accepted connections are like. */
#include "support/harness.h"

#include "io/socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* A peer that does not read makes the system keep little, if so wished: it would else be up to tcp_wmem, which is 4 MB. */
TEST(listen, what_nobody_reads_is_not_piled_up)
{
    enum { BYTES = 16 << 20, ROOM = 4096 };
    static const char big[BYTES];
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listener, reader, writer;
    int room = ROOM, queued = 0;
    gr_listen_options options = {.unsent_bytes = -1};
    CHECK_EQ(gr_listen(self, &listener, "127.0.0.1:0", &options), GR_EINVAL);
    options.unsent_bytes = 128 << 10;
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", &options));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_connect(self, &reader, text, SOON));
    CHECK_EQ(setsockopt(gri_socket_descriptor(reader), SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    CHECK_OK(gr_accept(self, listener, &writer, SOON));
    CHECK_EQ(gr_write(self, writer, big, sizeof big, gr_after_ms(50)), GR_ETIMEOUT);
    CHECK_EQ(ioctl(gri_socket_descriptor(writer), SIOCOUTQ, &queued), 0);
    CHECK(queued > 0 && queued < 1 << 20);
    END(self);
}
