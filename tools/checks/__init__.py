# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
