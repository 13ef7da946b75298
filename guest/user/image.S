/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs' image as the build has linked it (guest.mk). */
	.section .rodata
	.balign 8
	.globl user_image, user_image_end
user_image:
	.incbin USER_IMAGE
user_image_end:
